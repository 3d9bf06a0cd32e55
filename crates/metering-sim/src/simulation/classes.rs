//! The operator adds lists of route classes.

use metering_core::class_lists::CLASS_LIST_LEAD_MS;
use rand::Rng;

use super::Simulation;
use crate::api_log::{Class, ClassList, HOUR_MS, NOT_MODIFIED, ROUTES};
use crate::faults::Fault;
use crate::ports::lock;

/// The classes of the simulation.
const CLASSES: [Class; 3] = [None, Some("x"), Some("y")];

impl Simulation<'_> {
    /// Adds a list that applies as soon as the meter allows, or up to an hour later.
    pub(super) fn add_classes(&mut self) {
        if !self.settings.faults.contains(Fault::NewClasses) {
            return;
        }
        let latest_ms = self.log.class_lists.last().map_or(0, |list| list.from_ms);
        let soonest_ms = (self.now_ms + CLASS_LIST_LEAD_MS).max(latest_ms + 1);
        let is_soonest = self.random.random_bool(0.5);
        let from_ms = soonest_ms + if is_soonest { 0 } else { self.random.random_range(0..HOUR_MS) };
        let of_routes: [Class; ROUTES.len()] = std::array::from_fn(|_| CLASSES[self.pick(CLASSES.len())]);
        let of_not_modified = [None, Some("z")][self.pick(2)];
        let mut text: String = CLASSES
            .iter()
            .flatten()
            .filter_map(|class| {
                let routes =
                    ROUTES.into_iter().zip(of_routes).filter(|(_, of_route)| *of_route == Some(class));
                let routes: Vec<&str> = routes.map(|(route, _)| route).collect();
                (!routes.is_empty()).then(|| format!("{class} {}\n", routes.join(", ")))
            })
            .collect();
        text.extend(of_not_modified.map(|class| format!("{class} * status={NOT_MODIFIED}\n")));
        self.trace(|| format!("an operator adds classes from {from_ms} on: {text:?}"));
        let mut backend = lock(&self.backend);
        let lists = backend.store.class_lists.clone();
        let Ok(list) = text.parse() else { return };
        if let Ok(lists) = lists.with(from_ms, list, self.now_ms) {
            backend.store.class_lists = lists;
            self.log.class_lists.push(ClassList { from_ms, of_routes, of_not_modified });
            self.counts.add(Fault::NewClasses);
        }
    }
}
