//! Starts and stops all parts together.

pub mod backend;
mod backlog;
mod canary;
mod control;
pub mod demo_keys;
mod endpoints;
mod error;
mod functions;
mod options;
mod ports;
mod resources;
mod schedule;
mod servers;
mod services;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use lambda_support::clock::now_ms;
use metering_aws::KeyStore;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use deployment::names::local::{
    ACCESS_LOG_GROUP, ALERTS_TABLE, CLAIMS_TABLE, INVALIDATIONS_FAILED_QUEUE, INVALIDATIONS_TABLE,
    KEYS_TABLE, QUARANTINE_QUEUE, STREAM, USAGE_TABLE,
};
pub use endpoints::Endpoints;
pub use error::StartError;
pub use functions::UNBILLED_ROUTES;
pub use options::{Canary, LocalOptions, UsageCanary, built_binaries};
pub use resources::given_up_bucket;

use crate::apigateway::Gateway;
use crate::apigateway::authorization::{AnswerCache, Authorization};
use crate::cloudwatch::MetricStore;
use crate::cloudwatch::metrics::MetricSink;
use crate::cloudwatch_logs::log_group::LogGroup;
use crate::cloudwatch_logs::service::{Destination, LogsService};
use crate::cloudwatch_logs::subscription::{Subscription, SubscriptionSettings};
use crate::dashboard::DashboardPage;
use crate::dynamodb::expiry::Expiry;
use crate::faults::Faults;
use crate::kinesis::KinesisStore;
use crate::lambda::event_source_mapping::{Checkpoints, MappingSettings};
use crate::lambda::invocation_record::OnFailureDestination;
use crate::lambda::{EventSourceMapping, Function};
use crate::names::ACCOUNT_ID;
use crate::s3::S3Store;
use crate::sns_sqs::notifications::Notifications;
use backlog::Backlog;
use control::Control;
use demo_keys::DemoKey;
use error::part;
use functions::{Functions, functions};
use ports::Ports;
use resources::MAPPING_UUID;
use schedule::{HOUR, invoke_every, watch_queues, write_metrics};
use servers::{listen, serve, serve_on_loopback};
use services::Services;

/// A running stack.
pub struct LocalStack {
    /// Where it is found.
    pub endpoints: Endpoints,
    /// The keys that the stack was given to try it out.
    pub keys: Vec<DemoKey>,
    /// Makes, changes and deletes keys, through the AWS endpoint.
    pub key_store: KeyStore,
    /// Where published messages go.
    pub notifications: Arc<Notifications>,
    /// What the functions have told.
    pub metrics: Arc<MetricSink>,
    /// The usage consumer.
    pub consumer: Arc<Function>,
    /// The authorizer.
    pub authorizer: Arc<Function>,
    /// The fan-out of invalidations.
    pub fanout: Arc<Function>,
    /// The usage endpoint.
    pub usage_endpoint: Arc<Function>,
    /// The reconciler.
    pub reconciler: Arc<Function>,
    /// The canary, where there is one.
    pub canary: Option<Arc<Function>>,
    /// The log group of the gateway.
    pub log_group: Arc<LogGroup>,
    /// The streams.
    pub kinesis: Arc<KinesisStore>,
    /// A client of the streams.
    pub kinesis_client: aws_sdk_kinesis::Client,
    /// A client of the ledger that no fault reaches.
    pub ledger_client: aws_sdk_dynamodb::Client,
    /// What goes wrong on purpose.
    pub faults: Arc<Faults>,
    /// Deletes the items whose time to live is over, when it is asked to.
    pub expiry: Expiry,
    /// What could not have the port that it had before, a sentence each.
    pub moved: Vec<String>,
    backlog: Backlog,
    mapping_settings: MappingSettings,
    mapping: Option<EventSourceMapping>,
    servers: JoinSet<()>,
    stop_gateway: watch::Sender<bool>,
    lock: File,
}

impl LocalStack {
    /// Starts everything and returns when it can be used.
    ///
    /// # Errors
    /// When a part cannot be started; the error says which and why.
    pub async fn start(options: LocalOptions) -> Result<Self, StartError> {
        let folder = &options.data_folder;
        let lock = lock_folder(folder)?;
        let mut servers = JoinSet::new();
        let mut ports = Ports::of_folder(folder);
        let services = Box::pin(Services::start(&options, &mut ports, &mut servers)).await?;
        let Services { aws_endpoint_url, ledger_client, kinesis, faults, notifications, .. } = services;
        let Services { answers, log_group, logs, metrics, clients, s3, expiry, stream_arn, .. } = services;
        let topics = resources::create_topics(&aws_sdk_sns::Client::new(&clients)).await?;
        let kinesis_client = aws_sdk_kinesis::Client::new(&clients);
        let key_store =
            KeyStore::new(aws_sdk_dynamodb::Client::new(&clients), KEYS_TABLE, INVALIDATIONS_TABLE);
        let keys = demo_keys::read_or_create(folder, options.demo_keys, &key_store, now_ms()).await?;

        let quarantine_queue_url = format!("{aws_endpoint_url}/{ACCOUNT_ID}/{QUARANTINE_QUEUE}");
        let (gateway_listener, gateway_address) = ports.listen("the gateway", options.gateway_port).await?;
        let gateway_url = format!("http://{gateway_address}");
        let canary = canary::prepare(options.usage_canary, &gateway_url, &key_store, &mut servers).await?;
        let urls = [aws_endpoint_url.as_str(), &quarantine_queue_url];
        let functions = functions(&options, urls, &topics, canary.as_ref(), &metrics)?;
        notifications.subscribe(&topics.invalidations, functions.authorizer.clone());
        notifications.subscribe(&topics.invalidations, functions.fanout.clone());
        let destination = Destination {
            client: kinesis_client.clone(),
            stream_arn,
            settings: subscription_settings(&options),
            faults: faults.clone(),
            besides: ACCESS_LOG_GROUP.to_owned(),
        };
        let backlog = start_subscription(&options, &log_group, &logs, &kinesis, destination, &mut servers)?;
        let mapping_settings = mapping_settings(&options, s3);

        let backend = match options.backend.clone() {
            Some(backend) => backend,
            None => serve_on_loopback(&mut servers, listen(0).await?, backend::router()),
        };
        let (stop_gateway, mut stopped) = watch::channel(false);
        let gateway = gateway(&options, &functions, backend, answers, &log_group, &metrics);
        let stop = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        servers.spawn(serve(gateway_listener, gateway.router(), stop));
        let page = DashboardPage {
            metrics: metrics.store().clone(),
            logs,
            ledger: ledger_client.clone(),
            keys: key_store.clone(),
            log_answers: Arc::default(),
        };
        let page_listener = ports.listen("the dashboard", options.dashboard_port).await?;
        let dashboard = serve_on_loopback(&mut servers, page_listener, page.router());
        let control = Control::of(&functions, &faults, &backlog, &expiry);
        let control_listener = ports.listen("the control endpoint", 0).await?;
        let control = serve_on_loopback(&mut servers, control_listener, control.router());
        start_schedules(&options, &functions, &mut servers);
        start_watching(&mut servers, &clients, &aws_endpoint_url, metrics.store());

        let endpoints = Endpoints {
            gateway: gateway_url,
            dashboard,
            control,
            aws_endpoint_url,
            quarantine_queue_url,
            on_failure_bucket: given_up_bucket(),
            usage_table: USAGE_TABLE.to_owned(),
            stream: STREAM.to_owned(),
            access_log_group: ACCESS_LOG_GROUP.to_owned(),
            keys_table: KEYS_TABLE.to_owned(),
            invalidations_table: INVALIDATIONS_TABLE.to_owned(),
            invalidations_topic_arn: topics.invalidations,
            alerts_topic_arn: topics.alerts,
            sync_interval_ms: options.sync_interval_ms,
        };
        write_endpoints(folder, &endpoints)?;
        let mut stack = Self {
            endpoints,
            keys,
            key_store,
            notifications,
            metrics,
            consumer: functions.consumer,
            authorizer: functions.authorizer,
            fanout: functions.fanout,
            usage_endpoint: functions.usage_endpoint,
            reconciler: functions.reconciler,
            canary: functions.canary,
            log_group,
            kinesis,
            kinesis_client,
            ledger_client,
            faults,
            expiry,
            moved: ports.moved,
            backlog,
            mapping_settings,
            mapping: None,
            servers,
            stop_gateway,
            lock,
        };
        stack.start_mapping();
        Ok(stack)
    }

    fn start_mapping(&mut self) {
        let mapping = EventSourceMapping::start(
            self.kinesis_client.clone(),
            self.consumer.clone(),
            self.mapping_settings.clone(),
            self.backlog.checkpoints.clone(),
        );
        self.mapping = Some(mapping);
    }

    /// Reads the whole stream again, from TRIM_HORIZON.
    ///
    /// # Errors
    /// When the checkpoints cannot be cleared.
    pub async fn replay_from_trim_horizon(&mut self) -> Result<(), StartError> {
        if let Some(mapping) = self.mapping.take() {
            mapping.stop().await;
        }
        self.backlog.checkpoints.clear().map_err(|error| part("the event source mapping", error))?;
        self.start_mapping();
        Ok(())
    }

    /// Waits until every event that is logged now has gone through the
    /// consumer, and every record that is on the stream by then.
    ///
    /// # Errors
    /// When a part cannot be asked any more.
    pub async fn settled(&self) -> Result<(), StartError> {
        self.backlog.settled().await
    }

    /// Waits until the subscription has put this many log events on the
    /// stream, or lets their records wait, as a late delivery does.
    ///
    /// # Errors
    /// When the subscription has stopped.
    pub async fn delivered(&self, events: i64) -> Result<(), StartError> {
        self.backlog.delivered(events).await
    }

    /// Stops: no more calls are taken, those under way are answered, and what
    /// is logged stays in the data folder for the next start.
    pub async fn shut_down(mut self) {
        let _ = self.stop_gateway.send(true);
        if let Some(mapping) = self.mapping.take() {
            mapping.stop().await;
        }
        let functions =
            [&self.consumer, &self.authorizer, &self.fanout, &self.usage_endpoint, &self.reconciler];
        for function in functions.into_iter().chain(&self.canary) {
            function.shut_down();
        }
        self.servers.shutdown().await;
        self.metrics.store().write_logged();
        // A process that is started by another thread just now has inherited
        // the file, and would keep the folder locked until its binary runs.
        let _ = self.lock.unlock();
    }
}

/// The API, in front of its backend.
fn gateway(
    options: &LocalOptions,
    functions: &Functions,
    backend: String,
    answers: Arc<AnswerCache>,
    log_group: &Arc<LogGroup>,
    metrics: &MetricSink,
) -> Gateway {
    let simple_responses = options.http_api_simple_responses;
    let authorization = Authorization::new(functions.authorizer.clone(), answers, simple_responses);
    Gateway::new(
        options.api_kind,
        authorization,
        functions.usage_endpoint.clone(),
        backend,
        log_group.clone(),
        metrics.store().clone(),
    )
}

/// Invokes the functions that have a schedule.
fn start_schedules(options: &LocalOptions, functions: &Functions, servers: &mut JoinSet<()>) {
    servers.spawn(invoke_every(functions.reconciler.clone(), HOUR));
    if let (Some(function), Some(canary)) = (&functions.canary, options.usage_canary) {
        servers.spawn(invoke_every(function.clone(), Duration::from_millis(canary.interval_ms)));
    }
}

/// Watches the queues and writes metrics to disk, again and again.
fn start_watching(
    servers: &mut JoinSet<()>,
    clients: &SdkConfig,
    aws_endpoint_url: &str,
    metrics: &Arc<MetricStore>,
) {
    let sqs = aws_sdk_sqs::Client::new(clients);
    servers.spawn(watch_queues(sqs, aws_endpoint_url.to_owned(), metrics.clone()));
    servers.spawn(write_metrics(metrics.clone()));
}

/// Starts the subscriptions; what they have not delivered is part of the backlog.
fn start_subscription(
    options: &LocalOptions,
    log_group: &Arc<LogGroup>,
    logs: &Arc<LogsService>,
    kinesis: &Arc<KinesisStore>,
    destination: Destination,
    servers: &mut JoinSet<()>,
) -> Result<Backlog, StartError> {
    let Destination { client, settings, faults, .. } = destination.clone();
    let subscription = Subscription::new(log_group.clone(), client, settings, faults)
        .map_err(|error| part("the subscription", error))?;
    logs.deliver_to(destination).map_err(|error| part("the subscription", error))?;
    let (delivered, late) = (subscription.delivered(), subscription.late());
    servers.spawn(subscription.run());
    let checkpoints = Checkpoints::open(&options.data_folder.join("checkpoints.sqlite"))
        .map_err(|error| part("the event source mapping", error))?;
    Ok(Backlog {
        log_group: log_group.clone(),
        logs: logs.clone(),
        delivered,
        late,
        kinesis: kinesis.clone(),
        checkpoints: Arc::new(checkpoints),
    })
}

fn lock_folder(folder: &Path) -> Result<File, StartError> {
    let shown = || folder.display().to_string();
    let error = |source| StartError::Folder { folder: shown(), source };
    std::fs::create_dir_all(folder).map_err(error)?;
    let lock = File::create(folder.join("lock")).map_err(error)?;
    lock.try_lock().map_err(|_| StartError::InUse { folder: shown() })?;
    Ok(lock)
}

fn write_endpoints(folder: &Path, endpoints: &Endpoints) -> Result<(), StartError> {
    let text = serde_json::to_string_pretty(endpoints).map_err(|error| part("endpoints.json", error))?;
    std::fs::write(folder.join("endpoints.json"), text)
        .map_err(|source| StartError::Folder { folder: folder.display().to_string(), source })
}

fn subscription_settings(options: &LocalOptions) -> SubscriptionSettings {
    SubscriptionSettings {
        stream: STREAM.to_owned(),
        max_batch_events: options.events_per_record,
        batch_delay_ms: options.delivery_delay_ms,
        lag: options.delivery_lag,
    }
}

fn mapping_settings(options: &LocalOptions, s3: Arc<S3Store>) -> MappingSettings {
    MappingSettings {
        stream: STREAM.to_owned(),
        batch_size: options.batch_size,
        batch_window_ms: options.batch_window_ms,
        poll_interval_ms: options.poll_interval_ms,
        bisect_on_error: true,
        max_retries: options.max_retries,
        max_record_age_ms: options.max_record_age_ms,
        on_failure: OnFailureDestination {
            store: s3,
            bucket: given_up_bucket(),
            mapping_uuid: MAPPING_UUID.to_owned(),
        },
    }
}
