//! `meter quarantine discard`.

use std::fs::File;
use std::io::{BufRead, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, bail};
use metering_aws::QuarantineQueue;
use metering_aws::quarantine_queue::{Fate, KeptRecord};

use super::show::to_json;
use super::{RECEIVING, Selection, UNREADABLE, count, queue, require_chosen, tell_odd};
use crate::target::Target;

/// What was done with the records of a pass.
struct Discard {
    file: Option<File>,
    discarded: usize,
    /// Why a record could not be saved; it and all others stay.
    unsaved: Option<std::io::Error>,
}

/// Deletes the chosen records, each after it was saved where that is asked for.
pub async fn run(
    target: &Target,
    selection: Selection,
    save: Option<&Path>,
    yes: bool,
) -> anyhow::Result<()> {
    let file = save.map(open).transpose()?;
    let queue = queue(target).await?;
    if !yes {
        confirm(&question(target, &queue, &selection, save).await?)?;
    }
    let mut work = Discard { file, discarded: 0, unsaved: None };
    let result = queue
        .pass(
            RECEIVING,
            async |record| {
                if selection.has(&record) { work.visit(&record) } else { Fate::Leave }
            },
        )
        .await;
    println!("{} discarded.", count(work.discarded, "record"));
    let odd = result.context("not everything was deleted; run the same command again")?;
    tell_odd(&odd);
    if let Some(error) = work.unsaved {
        return Err(error).context(
            "a record could not be saved; it is still in quarantine, and so is what would have followed it",
        );
    }
    require_chosen(&selection, work.discarded)
}

/// Opens a file to append to: what a run before this one has saved stays.
fn open(path: &Path) -> anyhow::Result<File> {
    let file = File::options().read(true).append(true).create(true).open(path).and_then(on_a_new_line);
    file.with_context(|| format!("{} cannot be written; nothing was deleted", path.display()))
}

/// Ends the last line, which a run that was stopped may not have done.
fn on_a_new_line(mut file: File) -> std::io::Result<File> {
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

impl Discard {
    fn visit(&mut self, record: &KeptRecord) -> Fate {
        if self.unsaved.is_none() {
            self.unsaved = self.save(record).err();
        }
        if self.unsaved.is_some() {
            return Fate::Leave;
        }
        self.discarded += 1;
        Fate::Delete
    }

    /// Writes a record to the disk, in one line.
    fn save(&mut self, record: &KeptRecord) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(format!("{}\n", to_json(record)).as_bytes())?;
        file.sync_data()
    }
}

async fn question(
    target: &Target,
    queue: &QuarantineQueue,
    selection: &Selection,
    save: Option<&Path>,
) -> anyhow::Result<String> {
    let messages = queue.approximate_messages().await.context(UNREADABLE)?;
    let saved = save.map_or_else(
        || "They are saved nowhere without --save FILE.".to_owned(),
        |path| format!("They are saved in {} first.", path.display()),
    );
    Ok(format!(
        "Delete {} in {} (about {messages} messages in all)? Those calls are then never counted. {saved}",
        selection.words(),
        target.environment
    ))
}

fn confirm(question: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("{question} Answer with --yes where nobody can be asked");
    }
    print!("{question} [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("nothing was deleted");
    }
    Ok(())
}
