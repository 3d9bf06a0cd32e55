//! `meter quarantine discard`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, bail};
use metering_aws::QuarantineQueue;
use metering_aws::quarantine_queue::{Fate, KeptRecord};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    QuarantinedRecordWithData, RECEIVING, Selection, UNREADABLE, queue, report_other_messages,
    require_selected, visit_selected,
};
use crate::confirmation::{confirm, is_terminal};
use crate::dry_run::would_be;
use crate::output::{count, print_json, write_json};
use crate::target::Target;

/// The result of discarding records.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DiscardedRecords {
    /// `false` if nothing was changed, because of `--dry-run`.
    applied: bool,
    /// Records that were deleted, or would be.
    discarded: usize,
}

impl DiscardedRecords {
    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return print_json(self);
        }
        let verb = would_be(self.applied);
        println!("{} {verb}discarded.", count(self.discarded, "record"));
        Ok(())
    }
}

pub async fn preview(target: &Target, selection: &Selection, json: bool) -> anyhow::Result<()> {
    let discarded = visit_selected(target, selection, |_| ()).await?;
    DiscardedRecords { applied: false, discarded }.print(json)?;
    require_selected(selection, discarded)
}

/// A pass that discards records.
struct Discard {
    file: Option<File>,
    discarded: usize,
    /// The error of the first record that could not be saved. It and all later records stay in the queue.
    unsaved: Option<anyhow::Error>,
}

/// Deletes the selected records. With `save`, each record is saved first.
pub async fn run(
    target: &Target,
    selection: Selection,
    save: Option<&Path>,
    yes: bool,
    json: bool,
) -> anyhow::Result<()> {
    let file = save.map(open).transpose()?;
    let queue = queue(target).await?;
    if !yes {
        let question = question(target, &queue, &selection, save).await?;
        if !is_terminal() {
            bail!("{question} Standard input is not a terminal: confirm with --yes");
        }
        confirm(&question, "nothing was deleted")?;
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
    DiscardedRecords { applied: true, discarded: work.discarded }.print(json)?;
    let odd = result.context("not all selected records were deleted; run the same command again")?;
    report_other_messages(&odd);
    if let Some(error) = work.unsaved {
        return Err(
            error.context("a record could not be saved; it and the records after it are still in quarantine")
        );
    }
    require_selected(&selection, work.discarded)
}

/// Opens a file to append to, so that records of earlier runs stay.
fn open(path: &Path) -> anyhow::Result<File> {
    let file = File::options().read(true).append(true).create(true).open(path).and_then(on_a_new_line);
    file.with_context(|| format!("{} cannot be written; nothing was deleted", path.display()))
}

/// Ends the last line of the file, which an interrupted run may have left incomplete.
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

    /// Writes a record to the file as one line, and waits until it is on the disk.
    fn save(&mut self, record: &KeptRecord) -> anyhow::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut line = Vec::new();
        write_json(&mut line, &QuarantinedRecordWithData::new(record))?;
        file.write_all(&line)?;
        Ok(file.sync_data()?)
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
        || "They are not saved; --save FILE saves them.".to_owned(),
        |path| format!("They are saved in {} first.", path.display()),
    );
    Ok(format!(
        "Delete {} in {} (the queue has about {messages} messages)? Their calls are then never counted. {saved}",
        selection.description(),
        target.meter.names.environment
    ))
}
