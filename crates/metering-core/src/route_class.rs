//! Route classes: names for groups of calls, by which usage is broken down.

use std::fmt;
use std::str::FromStr;

use crate::route_pattern::{CallRoute, RoutePattern};
use crate::status_ranges::StatusRanges;
use crate::usage_record::UsageRecord;

/// Maximum number of classes of a list. Each call is compared with them, and a key has a ledger row
/// for each class that it uses.
pub const MAX_CLASSES: usize = 32;

/// Maximum length of the name of a class, in bytes.
pub const MAX_CLASS_NAME_BYTES: usize = 32;

/// Maximum number of routes, APIs or stages of a class.
pub const MAX_CLASS_CONDITIONS: usize = 50;

/// Any method of any route.
const ANY_ROUTE: &str = "*";

/// A list of route classes. A call has the first class whose conditions it meets.
///
/// The text of a list has a line for each class: its name, its routes as
/// [`RoutePattern`]s or `*`, separated by commas, and conditions `api=`, `stage=`
/// and `status=`, each with values separated by commas. A class without `status=` has calls with a
/// status of 200 to 299 alone. Empty lines and lines that begin with `#` are comments.
///
/// ```
/// use metering_core::route_class::RouteClasses;
/// use metering_core::usage_record::{CallStatus, UsageRecord};
///
/// let classes: RouteClasses = "
///     search   GET /search, POST /search/{index}   stage=prod
///     created  *                                   status=201-202
/// "
/// .parse()?;
/// let class = |method, route, status: &str| {
///     let status = CallStatus::parse(status.as_bytes()).expect("three digits");
///     let record = UsageRecord {
///         api_key_id: Some("key-1"),
///         customer_id: None,
///         status,
///         method: Some(method),
///         route: Some(route),
///         api_id: None,
///         stage: Some("prod"),
///         requested_at_ms: 0,
///         responded_at_ms: 0,
///         response_bytes: 0,
///     };
///     classes.class_of(&record)
/// };
/// assert_eq!(class("GET", "/search", "201"), Some("search"), "the first class that fits");
/// assert_eq!(class("PUT", "/search", "201"), Some("created"));
/// assert_eq!(class("PUT", "/search", "200"), None);
/// # Ok::<(), metering_core::route_class::ClassListError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct RouteClasses(Vec<RouteClass>);

/// A class: its name and its conditions, all of which a call has to meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RouteClass {
    name: Box<str>,
    /// The routes; empty for any.
    routes: Vec<RoutePattern>,
    /// The ids of APIs; empty for any.
    api_ids: Vec<Box<str>>,
    /// The names of stages; empty for any.
    stages: Vec<Box<str>>,
    /// The statuses; `None` for 200 to 299.
    statuses: Option<StatusRanges>,
}

/// A text that is not a list of route classes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassListError {
    /// A line cannot be understood.
    #[error("line {line}: {problem}")]
    Line {
        /// The number of the line, counted from 1.
        line: usize,
        /// The problem, and its remedy.
        problem: String,
    },
    /// The list has more than [`MAX_CLASSES`] classes.
    #[error("the list has {classes} classes, more than {MAX_CLASSES}; give routes of one price one class")]
    TooMany {
        /// Number of classes.
        classes: usize,
    },
}

impl RouteClasses {
    /// The list without a class.
    pub const NONE: Self = Self(Vec::new());

    /// Returns the name of a call's class; `None` if no class fits.
    pub fn class_of(&self, call: &UsageRecord<'_>) -> Option<&str> {
        let route = CallRoute::new(call.method, call.route);
        let class = self.0.iter().find(|class| class.fits(call, route))?;
        Some(&class.name)
    }

    /// Returns the names of the classes that have a status with which no call is billed.
    pub fn with_unbilled_status<'a>(&'a self, billed: &'a StatusRanges) -> impl Iterator<Item = &'a str> {
        let is_unbilled =
            |class: &&RouteClass| class.statuses.as_ref().is_some_and(|of_class| !billed.has_all(of_class));
        self.0.iter().filter(is_unbilled).map(|class| &*class.name)
    }

    /// Returns the names of the classes, in the order of the list.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|class| &*class.name)
    }
}

impl RouteClass {
    fn fits(&self, call: &UsageRecord<'_>, route: CallRoute<'_>) -> bool {
        let is_one_of = |values: &[Box<str>], value: Option<&str>| {
            values.is_empty() || value.is_some_and(|value| values.iter().any(|one| **one == *value))
        };
        let has_status = match &self.statuses {
            Some(statuses) => statuses.contains(call.status),
            None => call.status.is_successful(),
        };
        has_status
            && is_one_of(&self.api_ids, call.api_id)
            && is_one_of(&self.stages, call.stage)
            && (self.routes.is_empty() || self.routes.iter().any(|pattern| pattern.matches(route)))
    }

    /// Parses a line. The error has the problem and its remedy.
    fn parse(line: &str) -> Result<Self, String> {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let is_name = (1..=MAX_CLASS_NAME_BYTES).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_name {
            return Err(format!(
                "the class {name:?} is not named by 1 to {MAX_CLASS_NAME_BYTES} lower-case letters, digits and '-'"
            ));
        }
        let mut class = Self {
            name: name.into(),
            routes: Vec::new(),
            api_ids: Vec::new(),
            stages: Vec::new(),
            statuses: None,
        };
        let is_condition = |word: &&str| word.contains('=') && !word.starts_with('/');
        let (conditions, routes): (Vec<&str>, Vec<&str>) = rest.split_whitespace().partition(is_condition);
        for condition in conditions {
            class.add_condition(condition)?;
        }
        class.add_routes(&routes.join(" "))?;
        let most = [class.routes.len(), class.api_ids.len(), class.stages.len()];
        if most.iter().any(|values| *values > MAX_CLASS_CONDITIONS) {
            return Err(format!(
                "the class {name} has more than {MAX_CLASS_CONDITIONS} values of a condition"
            ));
        }
        Ok(class)
    }

    fn add_condition(&mut self, condition: &str) -> Result<(), String> {
        let (kind, values) = condition.split_once('=').unwrap_or((condition, ""));
        let is_given_twice = match kind {
            "api" => !self.api_ids.is_empty(),
            "stage" => !self.stages.is_empty(),
            "status" => self.statuses.is_some(),
            _ => {
                return Err(format!(
                    "there is no condition {kind:?}; the conditions are api, stage and status"
                ));
            }
        };
        if is_given_twice || values.split(',').any(str::is_empty) {
            return Err(format!("write {kind} once, as {kind}=VALUE or {kind}=VALUE,VALUE"));
        }
        let texts = || values.split(',').map(Box::from);
        match kind {
            "api" => self.api_ids.extend(texts()),
            "stage" => self.stages.extend(texts()),
            _ => self.statuses = Some(values.parse().map_err(|error| format!("{error}"))?),
        }
        Ok(())
    }

    fn add_routes(&mut self, routes: &str) -> Result<(), String> {
        if routes == ANY_ROUTE {
            return Ok(());
        }
        for route in routes.split(',').map(str::trim) {
            let route: RoutePattern = route.parse().map_err(|_| {
                format!("the route {route:?} is not understood; write /path, METHOD /path, METHOD * or *")
            })?;
            self.routes.push(route);
        }
        Ok(())
    }
}

impl FromStr for RouteClasses {
    type Err = ClassListError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut classes: Vec<RouteClass> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let class = RouteClass::parse(text).map_err(|problem| ClassListError::Line { line, problem })?;
            if classes.iter().any(|other| other.name == class.name) {
                let problem = format!(
                    "the class {} is there already; write all its routes in one line, separated by commas",
                    class.name
                );
                return Err(ClassListError::Line { line, problem });
            }
            classes.push(class);
        }
        match classes.len() {
            0..=MAX_CLASSES => Ok(Self(classes)),
            classes => Err(ClassListError::TooMany { classes }),
        }
    }
}

impl fmt::Display for RouteClasses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|class| writeln!(formatter, "{class}"))
    }
}

impl fmt::Display for RouteClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ", self.name)?;
        match self.routes.as_slice() {
            [] => formatter.write_str(ANY_ROUTE)?,
            routes => {
                let routes: Vec<String> = routes.iter().map(ToString::to_string).collect();
                formatter.write_str(&routes.join(", "))?;
            }
        }
        let texts = |values: &[Box<str>]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
        let conditions = [
            ("api", texts(&self.api_ids)),
            ("stage", texts(&self.stages)),
            ("status", self.statuses.iter().map(ToString::to_string).collect()),
        ];
        for (kind, values) in conditions.iter().filter(|(_, values)| !values.is_empty()) {
            write!(formatter, " {kind}={}", values.join(","))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage_record::CallStatus;
    use proptest::prelude::*;

    fn call() -> UsageRecord<'static> {
        UsageRecord {
            api_key_id: Some("key-1"),
            customer_id: None,
            status: CallStatus::parse(b"200").unwrap(),
            method: Some("GET"),
            route: Some("/orders/{id}"),
            api_id: Some("a1"),
            stage: Some("prod"),
            requested_at_ms: 0,
            responded_at_ms: 0,
            response_bytes: 0,
        }
    }

    fn class_of(list: &str, call: &UsageRecord<'_>) -> Option<String> {
        list.parse::<RouteClasses>().unwrap().class_of(call).map(str::to_owned)
    }

    #[test]
    fn a_call_has_to_meet_all_conditions_of_a_class() {
        for (conditions, fits) in [
            ("*", true),
            ("/orders/{id}", true),
            ("POST /orders/{id}, GET /orders/{id}", true),
            ("GET *", true),
            ("POST /orders/{id}", false),
            ("* api=a1 stage=test,prod status=200-204", true),
            ("* api=a2", false),
            ("* stage=test", false),
            ("* status=201,202-299", false),
            ("GET *  status=200", true),
            ("/orders status=200", false),
        ] {
            let class = class_of(&format!("one {conditions}"), &call());
            assert_eq!(class.is_some(), fits, "{conditions}");
        }
        let unknown = UsageRecord { api_id: None, stage: None, method: None, route: None, ..call() };
        for conditions in ["/orders", "GET *", "* api=a1", "* stage=prod"] {
            assert_eq!(class_of(&format!("one {conditions}"), &unknown), None, "{conditions}");
        }
        let http_api = UsageRecord { method: None, route: Some("GET /orders/{id}"), ..call() };
        assert_eq!(class_of("one GET /orders/{id}", &http_api).as_deref(), Some("one"));
    }

    #[test]
    fn a_class_has_successful_calls_alone_unless_it_names_statuses() {
        let status = |text: &str| CallStatus::parse(text.as_bytes()).unwrap();
        for (conditions, code, fits) in [
            ("*", "299", true),
            ("*", "304", false),
            ("* status=304,400-499", "304", true),
            ("* status=304,400-499", "404", true),
            ("* status=304,400-499", "200", false),
            ("POST * status=304", "304", false),
        ] {
            let class =
                class_of(&format!("one {conditions}"), &UsageRecord { status: status(code), ..call() });
            assert_eq!(class.is_some(), fits, "{conditions} {code}");
        }
    }

    #[test]
    fn the_classes_with_a_status_that_is_not_billed_are_known() {
        let list: RouteClasses = "a *\nb * status=204\nc * status=200,304\nd * status=404".parse().unwrap();
        let unbilled = |billed: &str| {
            let billed = billed.parse().unwrap();
            list.with_unbilled_status(&billed).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(unbilled("200-299"), ["c", "d"]);
        assert_eq!(unbilled("200-299,304"), ["d"]);
        assert_eq!(unbilled("200-499"), [] as [&str; 0]);
    }

    #[test]
    fn the_first_class_that_fits_is_that_of_the_call() {
        let list = "# two classes\n\nfirst /orders\nsecond *\nthird GET *\n";
        assert_eq!(class_of(list, &call()).as_deref(), Some("second"));
        assert_eq!(
            class_of(list, &UsageRecord { route: Some("/orders"), ..call() }).as_deref(),
            Some("first")
        );
        let names: RouteClasses = list.parse().unwrap();
        assert_eq!(names.names().collect::<Vec<_>>(), ["first", "second", "third"]);
    }

    #[test]
    fn a_line_that_is_not_understood_is_named_with_a_remedy() {
        for (list, words) in [
            ("Search /search", "lower-case letters"),
            ("search", "write /path, METHOD /path"),
            ("search search", "the route \"search\" is not understood"),
            ("search /a method=GET", "there is no condition \"method\""),
            ("search /a status=199", "not one or a range of 200 to 599"),
            ("search /a status=204-200", "not one or a range"),
            ("search /a status=200 status=201", "write status once"),
            ("search /a stage=", "as stage=VALUE"),
            ("search /a\nother /b\nsearch /c", "line 3: the class search is there already"),
        ] {
            let problem = list.parse::<RouteClasses>().unwrap_err().to_string();
            assert!(problem.contains(words) && problem.starts_with("line "), "{list}: {problem}");
        }
    }

    #[test]
    fn a_list_is_as_long_as_its_limits_and_no_longer() {
        let list = |classes: usize| {
            let lines: Vec<String> = (0..classes).map(|class| format!("class-{class} *")).collect();
            lines.join("\n").parse::<RouteClasses>()
        };
        assert_eq!(list(MAX_CLASSES).unwrap().names().len(), MAX_CLASSES);
        assert_eq!(list(MAX_CLASSES + 1), Err(ClassListError::TooMany { classes: MAX_CLASSES + 1 }));
        let named = |bytes: usize| format!("{} *", "n".repeat(bytes)).parse::<RouteClasses>();
        assert!(named(MAX_CLASS_NAME_BYTES).is_ok() && named(MAX_CLASS_NAME_BYTES + 1).is_err());
        let stages = |count: usize| {
            let stages: Vec<String> = (0..count).map(|stage| format!("s{stage}")).collect();
            format!("one * stage={}", stages.join(",")).parse::<RouteClasses>()
        };
        assert!(stages(MAX_CLASS_CONDITIONS).is_ok() && stages(MAX_CLASS_CONDITIONS + 1).is_err());
    }

    proptest! {
        #[test]
        fn a_list_is_the_same_after_it_was_written(
            lines in prop::collection::vec(
                ("(GET |)(/a|/b/\\{id\\}|/c), POST \\*|\\*", prop::option::of("a1|a2,a3"), prop::option::of("s"), prop::option::of("200|200-204,304")),
                0..6,
            ),
        ) {
            let lines = lines.iter().enumerate().map(|(number, (routes, api, stage, status))| {
                let conditions = [("api", api), ("stage", stage), ("status", status)].map(|(kind, values)| {
                    values.as_ref().map_or_else(String::new, |values| format!(" {kind}={values}"))
                });
                format!("class-{number}  {routes}{}\n", conditions.concat())
            });
            let text: String = lines.collect();
            let classes: RouteClasses = text.parse().unwrap();
            prop_assert_eq!(classes.to_string().parse::<RouteClasses>().unwrap(), classes);
        }
    }
}
