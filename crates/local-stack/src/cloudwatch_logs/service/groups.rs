//! The log groups and their log streams.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use system_clock::now_ms;

use super::error::{LogsError, invalid, not_found, unreadable};
use super::parameters::Parameters;
use crate::cloudwatch::MetricStore;
use crate::cloudwatch_logs::log_group::{LogGroup, LogStream};
use crate::names;
use crate::sync::locked;

/// Maximum number of groups, streams or filters of one response. Source: CloudWatch Logs API Reference.
pub(super) const MAX_LISTED: usize = 50;
/// Maximum length of the name of a log group or a log stream. Source: CloudWatch Logs API
/// Reference, `CreateLogGroup`.
const MAX_NAME_CHARACTERS: usize = 512;

#[derive(Debug)]
pub(super) struct LogGroups {
    groups: Mutex<BTreeMap<String, Arc<LogGroup>>>,
    /// Folder of created groups, and the store of their metric filters. `None` refuses to create groups.
    creation: Option<(PathBuf, Arc<MetricStore>)>,
}

impl LogGroups {
    /// Returns the service's groups: one that exists, and no folder for others.
    pub fn new(group: Arc<LogGroup>) -> Self {
        let groups = BTreeMap::from([(group.name().to_owned(), group)]);
        Self { groups: Mutex::new(groups), creation: None }
    }

    /// Adds the groups of a folder, in which new groups are created as well.
    pub fn with_folder(self, folder: PathBuf, metrics: Arc<MetricStore>) -> Result<Self, LogsError> {
        let unusable =
            |error: std::io::Error| unreadable(rusqlite::Error::ToSqlConversionFailure(error.into()));
        std::fs::create_dir_all(&folder).map_err(unusable)?;
        for entry in std::fs::read_dir(&folder).map_err(unusable)? {
            let path = entry.map_err(unusable)?.path();
            if path.extension().is_some_and(|extension| extension == "sqlite") {
                let group = LogGroup::open_existing(&path).map_err(unreadable)?;
                group.record_to(metrics.clone());
                self.lock().insert(group.name().to_owned(), Arc::new(group));
            }
        }
        Ok(Self { creation: Some((folder, metrics)), ..self })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<LogGroup>>> {
        locked(&self.groups)
    }

    /// Returns all groups in the order of their names.
    pub fn all(&self) -> Vec<Arc<LogGroup>> {
        self.lock().values().cloned().collect()
    }

    /// Returns the group with a name.
    pub fn named(&self, name: &str) -> Result<Arc<LogGroup>, LogsError> {
        let groups = self.lock();
        groups.get(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = groups.keys().map(String::as_str).collect();
            not_found(format!(
                "the log group {name:?} does not exist; the log groups are {}",
                names.join(", ")
            ))
        })
    }

    /// Returns the group with a name or an ARN.
    pub fn identified(&self, identifier: &str) -> Result<Arc<LogGroup>, LogsError> {
        match identifier.strip_prefix(&arn("")) {
            Some(name) => self.named(name),
            None if identifier.starts_with("arn:") => Err(not_found(format!(
                "no log group has the ARN {identifier}; the ARNs of the local stack begin with {}",
                arn("")
            ))),
            None => self.named(identifier),
        }
    }

    /// Returns the group that a request identifies by `logGroupName` or `logGroupIdentifier`.
    pub fn of_request(&self, parameters: Parameters<'_>) -> Result<Arc<LogGroup>, LogsError> {
        match parameters.one_of(&["logGroupName", "logGroupIdentifier"])? {
            "logGroupName" => self.named(parameters.required_text("logGroupName")),
            _ => self.identified(parameters.required_text("logGroupIdentifier")),
        }
    }

    pub fn create_group(&self, request: &Value) -> Result<Value, LogsError> {
        let parameters = Parameters::new(request);
        let name = parameters.required_text("logGroupName");
        if parameters.text("logGroupClass").is_some_and(|class| class != "STANDARD") {
            return Err(invalid("the local stack supports only log groups of the class STANDARD"));
        }
        check_name(name, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '#'))?;
        let (folder, metrics) = self.creation.as_ref().ok_or_else(|| {
            LogsError::new("InvalidOperationException", "this service has no folder for log groups")
        })?;
        let mut groups = self.lock();
        if groups.contains_key(name) {
            return Err(LogsError::new(
                "ResourceAlreadyExistsException",
                format!("the log group {name} already exists"),
            ));
        }
        let path = folder.join(format!("{:04}-{}.sqlite", groups.len(), now_ms()));
        let group = LogGroup::open(&path, name).map_err(unreadable)?;
        group.record_to(metrics.clone());
        groups.insert(name.to_owned(), Arc::new(group));
        Ok(json!({}))
    }

    pub fn describe_groups(&self, request: &Value) -> Result<Value, LogsError> {
        let parameters = Parameters::new(request);
        let (prefix, pattern) =
            (parameters.text("logGroupNamePrefix"), parameters.text("logGroupNamePattern"));
        if prefix.is_some() && pattern.is_some() {
            return Err(invalid("give logGroupNamePrefix or logGroupNamePattern, not both"));
        }
        // A pattern matches any part of a name, regardless of case.
        let pattern = pattern.map(str::to_lowercase);
        let groups = self.all().into_iter().filter(|group| {
            let name = group.name();
            prefix.is_none_or(|prefix| name.starts_with(prefix))
                && pattern.as_ref().is_none_or(|pattern| name.to_lowercase().contains(pattern))
        });
        let described = groups.map(|group| {
            let arn = arn(group.name());
            json!({"logGroupName": group.name(), "creationTime": group.created_ms(),
                "metricFilterCount": group.metric_filters().len(), "arn": format!("{arn}:*"), "storedBytes": 0,
                "logGroupClass": "STANDARD", "logGroupArn": arn})
        });
        page("logGroups", described.collect(), parameters)
    }

    pub fn create_stream(&self, request: &Value) -> Result<Value, LogsError> {
        let parameters = Parameters::new(request);
        let group = self.named(parameters.required_text("logGroupName"))?;
        let name = parameters.required_text("logStreamName");
        check_name(name, |c| !matches!(c, ':' | '*'))?;
        if group.create_stream(name, now_ms()).map_err(unreadable)? {
            return Ok(json!({}));
        }
        Err(LogsError::new("ResourceAlreadyExistsException", format!("the log stream {name} already exists")))
    }

    pub fn describe_streams(&self, request: &Value) -> Result<Value, LogsError> {
        let parameters = Parameters::new(request);
        let group = self.of_request(parameters)?;
        let prefix = parameters.text("logStreamNamePrefix");
        let mut streams = group.streams().map_err(unreadable)?;
        streams.retain(|stream| prefix.is_none_or(|prefix| stream.name.starts_with(prefix)));
        match parameters.text("orderBy").unwrap_or("LogStreamName") {
            "LogStreamName" => {}
            "LastEventTime" if prefix.is_some() => {
                return Err(invalid("logStreamNamePrefix cannot be combined with orderBy LastEventTime"));
            }
            "LastEventTime" => streams.sort_by_key(|stream| stream.last_ms),
            other => {
                return Err(invalid(format!(
                    "orderBy has to be LogStreamName or LastEventTime, not {other}"
                )));
            }
        }
        if parameters.boolean("descending").unwrap_or(false) {
            streams.reverse();
        }
        let described = streams.iter().map(|stream| described_stream(&group, stream));
        page("logStreams", described.collect(), parameters)
    }
}

fn described_stream(group: &LogGroup, stream: &LogStream) -> Value {
    let mut described = json!({"logStreamName": stream.name, "creationTime": stream.created_ms, "storedBytes": 0,
        "arn": format!("{}:log-stream:{}", arn(group.name()), stream.name)});
    for (name, value) in [
        ("firstEventTimestamp", stream.first_ms),
        ("lastEventTimestamp", stream.last_ms),
        ("lastIngestionTime", stream.last_ingested_ms),
    ] {
        if let Some(value) = value {
            described[name] = value.into();
        }
    }
    described
}

/// Returns the ARN of a log group.
pub(super) fn arn(name: &str) -> String {
    names::arn("logs", &format!("log-group:{name}"))
}

fn check_name(name: &str, is_allowed: impl Fn(char) -> bool) -> Result<(), LogsError> {
    if name.chars().count() <= MAX_NAME_CHARACTERS && name.chars().all(is_allowed) {
        return Ok(());
    }
    Err(invalid(format!(
        "{name:?} is not a valid name: it is longer than {MAX_NAME_CHARACTERS} characters or has characters that are not allowed"
    )))
}

/// Returns the requested page of a list. A token is the number of items on earlier pages.
pub(super) fn page(name: &str, items: Vec<Value>, parameters: Parameters<'_>) -> Result<Value, LogsError> {
    let limit = parameters.limit("limit", MAX_LISTED);
    let start = parameters.items_before()?;
    let has_more = items.len() > start.saturating_add(limit);
    let items: Vec<Value> = items.into_iter().skip(start).take(limit).collect();
    let mut answer = json!({name: items});
    if has_more {
        answer["nextToken"] = (start + limit).to_string().into();
    }
    Ok(answer)
}
