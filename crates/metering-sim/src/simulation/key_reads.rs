//! The reads of the instances, as the tables of keys and the ledger answer them.

use rand::Rng;

use super::Simulation;
use super::callers::{INDEX_LAG_BOUND_MS, READ_LIMIT_MS, signed};
use crate::faults::Fault;
use crate::keys::instance::WrongClock;
use crate::keys::limit_auditor::{LEDGER_LAG_MS, Reading};
use crate::keys::ports::{KeyRead, KeyReply, PendingRead, ReadResult};
use crate::keys::tables::Change;
use crate::ports::{SDK_ATTEMPTS, lock};

impl Simulation<'_> {
    /// Lets a pending read see the tables, or lets its reply arrive.
    pub(super) fn continue_read(&mut self, may_fail: bool) -> Result<(), String> {
        let pending = self.callers.pending.clone();
        let count = lock(&pending).len();
        if count == 0 {
            return Ok(());
        }
        let place = self.pick(count);
        let mut read = lock(&pending).swap_remove(place);
        if self.fails(&read, may_fail) {
            self.fail(read);
            return Ok(());
        }
        if may_fail && read.seen.is_none() && self.injects(Fault::ThrottledRead, 0.05) {
            self.throttle(read);
            return Ok(());
        }
        if read.seen.is_none() {
            read.seen = Some(self.see(&read, may_fail)?);
            read.seen_at_ms = self.now_ms;
            if may_fail && self.injects(Fault::LateReply, 0.4) {
                read.losses = self.callers.losses;
                lock(&pending).push(read);
                return Ok(());
            }
        } else if let (KeyRead::Log(position), Some(KeyReply::Log(seen))) = (&read.read, &read.seen)
            && read.losses == self.callers.losses
            && self.random.random_bool(0.5)
        {
            // The read returns the head last, so it may see a later one.
            read.seen = Some(KeyReply::Log(self.callers.tables.with_head(seen.clone(), *position)));
        }
        self.audit_reading(&read)?;
        let PendingRead { instance, read, seen, reply, .. } = read;
        self.trace(|| format!("instance {instance} reads {read:?}: {seen:?}"));
        // The instance may have been replaced.
        drop(reply.send(seen.map_or(ReadResult::Failed, ReadResult::Replied)));
        Ok(())
    }

    /// Draws whether a read fails. It does if it takes too long.
    fn fails(&mut self, pending: &PendingRead, may_fail: bool) -> bool {
        let PendingRead { read, requested_at_ms, seen, .. } = pending;
        let is_over = self.now_ms - requested_at_ms.unwrap_or(self.now_ms) > signed(READ_LIMIT_MS);
        let is_unreadable = match read {
            KeyRead::Log(_) => self.now_ms < self.callers.log_readable_from_ms,
            KeyRead::Usage(_) => seen.is_none() && self.now_ms < self.callers.ledger_readable_from_ms,
            _ => false,
        };
        if is_unreadable && matches!(read, KeyRead::Usage(_)) {
            self.counts.add(Fault::UnreadableUsage);
        }
        is_over || is_unreadable || (may_fail && self.injects(Fault::FailedRead, 0.05))
    }

    fn fail(&mut self, pending: PendingRead) {
        let PendingRead { instance, read, reply, .. } = pending;
        self.trace(|| format!("a read of instance {instance} fails: {read:?}"));
        if let KeyRead::Usage(read) = &read {
            self.callers.limits.add_failure(instance, &read.key.api_key_id, self.now_ms);
        }
        drop(reply.send(ReadResult::Failed));
    }

    /// Throttles an attempt. The read fails if it was the last one.
    fn throttle(&mut self, pending: PendingRead) {
        if pending.throttled + 1 >= SDK_ATTEMPTS {
            return self.fail(pending);
        }
        let PendingRead { instance, read, requested_at_ms, reply, .. } = pending;
        self.trace(|| format!("a read of instance {instance} is throttled: {read:?}"));
        let requested_at_ms = requested_at_ms.unwrap_or(self.now_ms);
        drop(reply.send(ReadResult::Throttled { requested_at_ms }));
    }

    fn see(&mut self, pending: &PendingRead, may_lag: bool) -> Result<KeyReply, String> {
        if self.callers.tables.change.as_ref().is_some_and(Change::is_partly_visible) {
            self.counts.add(Fault::PartlyVisibleChange);
        }
        Ok(match &pending.read {
            KeyRead::Table(digest) => KeyReply::Key(self.callers.tables.find(digest).map(Box::new)),
            KeyRead::Log(position) => KeyReply::Log(self.callers.tables.read_log(*position)),
            KeyRead::Index(digest) => {
                let may_lag = may_lag && self.settings.faults.contains(Fault::StaleIndex);
                let lag_ms = if may_lag { self.random.random_range(0..INDEX_LAG_BOUND_MS) } else { 0 };
                let at_ms = self.now_ms.saturating_sub_unsigned(lag_ms);
                let found = self.callers.tables.find_by_index(digest, at_ms);
                if found != self.callers.tables.find_by_index(digest, self.now_ms) {
                    self.counts.add(Fault::StaleIndex);
                }
                KeyReply::Key(found.map(Box::new))
            }
            KeyRead::Usage(read) => {
                let (now_ms, random) = (self.now_ms, &mut self.random);
                let lag_ms = if may_lag { LEDGER_LAG_MS } else { 1 };
                // An eventually consistent read may show each row as it was a moment before.
                let seen_at_ms = || now_ms - random.random_range(0..lag_ms);
                KeyReply::Usage(read.see(&self.callers.ledger, seen_at_ms))
            }
            KeyRead::Alert(alert) => {
                self.callers.limits.check_alert(pending.instance, alert)?;
                let is_sent = !(may_lag && self.injects(Fault::UnsentAlert, 0.3));
                if is_sent {
                    self.callers.limits.add_sent(alert);
                }
                KeyReply::Alert(is_sent)
            }
        })
    }

    /// Checks and records the usage that a read returns to a running instance.
    fn audit_reading(&mut self, pending: &PendingRead) -> Result<(), String> {
        let (KeyRead::Usage(read), Some(KeyReply::Usage(usage))) = (&pending.read, &pending.seen) else {
            return Ok(());
        };
        let PendingRead { instance, requested_at_ms, seen_at_ms, .. } = *pending;
        let running = self.callers.instances.iter().find(|running| running.number == instance);
        let Some(wrong_clock) = running.map(|running| running.wrong_clock) else { return Ok(()) };
        let reading = Reading {
            instance,
            key_id: read.key.api_key_id.to_string(),
            month_ms: read.month.first_day().start_ms(),
            began_ms: requested_at_ms.unwrap_or(self.now_ms),
            seen_ms: seen_at_ms,
            calls: usage.total(),
        };
        if self.callers.limits.has_read_before(instance, &reading.key_id, reading.month_ms)
            && self.settings.faults.contains(Fault::MonthEnded)
        {
            self.counts.add(Fault::MonthEnded);
        }
        let has_right_clock = wrong_clock != WrongClock::Wall;
        self.callers.limits.add_reading(&self.callers.ledger, reading, has_right_clock)
    }
}
