//! Starts a local stack.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deployment::Endpoints;
use deployment::functions::CANARY;
use deployment::names::local::{
    ACCESS_LOG_GROUP, INVALIDATIONS_TABLE, KEYS_TABLE, QUARANTINE_QUEUE, STREAM, USAGE_TABLE,
};
use deployment::settings::UNBILLED_ROUTES;
use metering_aws::{CustomerStore, KeyAdmin, KeyStore};
use metering_core::billing_rules::BillingRules;
use metering_core::unbilled::UnbilledRoutes;
use system_clock::now_ms;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::LocalStack;
use super::backend;
use super::backlog::Backlog;
use super::canary;
use super::control::Control;
use super::demo_keys;
use super::error::{StartError, part_error};
use super::functions::{Functions, Wiring};
use super::options::LocalOptions;
use super::portal_key;
use super::ports::Ports;
use super::resources::{MAPPING_UUID, Topics, create_topics, given_up_bucket};
use super::schedule::{HOUR, invoke_every, record_queue_depths, write_metrics};
use super::servers::{listen, serve, serve_on_loopback, serve_on_own_thread};
use super::services::Services;
use crate::apigateway::Gateway;
use crate::apigateway::authorization::Authorization;
use crate::cloudwatch::alarms::Measured;
use crate::cloudwatch_logs::service::Destination;
use crate::cloudwatch_logs::subscription::{Subscription, SubscriptionSettings};
use crate::dashboard::{self, PageSources};
use crate::lambda::event_source_mapping::{Checkpoints, MappingSettings};
use crate::lambda::function_url;
use crate::lambda::invocation_record::OnFailureDestination;
use crate::names::ACCOUNT_ID;
use crate::s3::S3Store;

/// The URLs of the servers of a stack.
struct Urls {
    gateway: String,
    dashboard: String,
    portal: String,
    control: String,
}

impl LocalStack {
    /// Starts all parts, and returns when the stack can be used.
    ///
    /// # Errors
    /// Returns an error that names the part that could not be started.
    pub async fn start(options: LocalOptions) -> Result<Self, StartError> {
        let folder = &options.data_folder;
        let lock = lock_folder(folder).await?;
        let mut servers = JoinSet::new();
        let mut ports = Ports::take(folder).await;
        let services = Box::pin(Services::start(&options, &mut ports, &mut servers)).await?;
        let topics = create_topics(&aws_sdk_sns::Client::new(&services.clients)).await?;
        let kinesis_client = aws_sdk_kinesis::Client::new(&services.clients);
        let key_store =
            KeyStore::new(aws_sdk_dynamodb::Client::new(&services.clients), KEYS_TABLE, INVALIDATIONS_TABLE);
        let key_admin = KeyAdmin::without_messages(key_store);
        let keys = demo_keys::read_or_create(folder, options.demo_keys, &key_admin, now_ms()).await?;

        let (gateway_listener, address) = ports.listen("the gateway", options.gateway_port).await?;
        let gateway = format!("http://{address}");
        let canary = canary::prepare(options.usage_canary, &gateway, &key_admin, &mut servers).await?;
        let wiring = Wiring {
            aws_endpoint_url: services.aws_endpoint_url.clone(),
            quarantine_queue_url: queue_url(&services.aws_endpoint_url, QUARANTINE_QUEUE),
            alerts_topic_arn: topics.alerts.clone(),
            portal_public_key: portal_key::read_or_create(folder)?.public_key().to_string(),
            canary,
            metrics: services.metrics.clone(),
        };
        let functions = Functions::new(&options, &wiring)?;
        services.notifications.subscribe(&topics.invalidations, functions.authorizer.clone());
        services.notifications.subscribe(&topics.invalidations, functions.fanout.clone());
        let backlog = start_subscriptions(&options, &services, &kinesis_client, &mut servers)?;
        let stop_gateway =
            start_gateway(&options, &services, &functions, gateway_listener, &mut servers).await?;
        let dashboard = start_dashboard(&options, &services, &mut ports, &mut servers).await?;
        let portal = start_portal(&options, &functions, &mut ports, &mut servers).await?;
        let control = Control::new(functions.all(), &services.faults, &backlog, &services.expiry);
        let control_listener = ports.listen("the control endpoint", 0).await?;
        let control = serve_on_loopback(&mut servers, control_listener, control.router());
        start_schedules(&options, &functions, &services, &mut servers);

        let endpoints = endpoints(&options, &wiring, Urls { gateway, dashboard, portal, control }, topics);
        endpoints.write(folder).map_err(|source| folder_error(folder, source))?;
        let mut stack = Self {
            endpoints,
            keys,
            key_admin,
            notifications: services.notifications,
            metrics: services.metrics,
            consumer: functions.consumer,
            authorizer: functions.authorizer,
            fanout: functions.fanout,
            usage_endpoint: functions.usage_endpoint,
            portal: functions.portal,
            reconciler: functions.reconciler,
            canary: functions.canary,
            log_group: services.log_group,
            kinesis: services.kinesis,
            kinesis_client,
            ledger_client: services.ledger_client,
            faults: services.faults,
            expiry: services.expiry,
            moved: ports.moved,
            backlog,
            mapping_settings: mapping_settings(&options, services.s3),
            mapping: None,
            servers,
            stop_gateway,
            lock,
        };
        stack.start_mapping();
        Ok(stack)
    }
}

/// Number of attempts to lock a data folder, and the time between them. A process that another thread of
/// a former holder is just starting has a copy of the lock until it runs its program.
const LOCK_ATTEMPTS: usize = 100;
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// Locks the data folder, so that no other stack uses it at the same time.
async fn lock_folder(folder: &Path) -> Result<File, StartError> {
    let error = |source| folder_error(folder, source);
    std::fs::create_dir_all(folder).map_err(error)?;
    let lock = File::create(folder.join("lock")).map_err(error)?;
    for _ in 1..LOCK_ATTEMPTS {
        if lock.try_lock().is_ok() {
            return Ok(lock);
        }
        tokio::time::sleep(LOCK_RETRY).await;
    }
    lock.try_lock().map_err(|_| StartError::InUse { folder: folder.display().to_string() })?;
    Ok(lock)
}

fn folder_error(folder: &Path, source: std::io::Error) -> StartError {
    StartError::Folder { folder: folder.display().to_string(), source }
}

fn queue_url(aws_endpoint_url: &str, queue: &str) -> String {
    format!("{aws_endpoint_url}/{ACCOUNT_ID}/{queue}")
}

/// Starts the subscriptions of the log groups. Their undelivered events are part of the backlog.
fn start_subscriptions(
    options: &LocalOptions,
    services: &Services,
    kinesis_client: &aws_sdk_kinesis::Client,
    servers: &mut JoinSet<()>,
) -> Result<Backlog, StartError> {
    let destination = Destination {
        client: kinesis_client.clone(),
        stream_arn: services.stream_arn.clone(),
        settings: subscription_settings(options),
        faults: services.faults.clone(),
        excluded_log_group: ACCESS_LOG_GROUP.to_owned(),
    };
    let Destination { client, settings, faults, .. } = destination.clone();
    let subscription = Subscription::new(services.log_group.clone(), client, settings, faults)
        .map_err(|error| part_error("the subscription", error))?;
    services.logs.deliver_to(destination).map_err(|error| part_error("the subscription", error))?;
    let (delivered, late) = (subscription.delivered(), subscription.late());
    servers.spawn(subscription.run());
    let checkpoints = Checkpoints::open(&options.data_folder.join("checkpoints.sqlite"))
        .map_err(|error| part_error("the event source mapping", error))?;
    Ok(Backlog {
        log_group: services.log_group.clone(),
        logs: services.logs.clone(),
        delivered,
        late,
        kinesis: services.kinesis.clone(),
        checkpoints: Arc::new(checkpoints),
    })
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

/// Serves the API in front of its backend. A `true` sent to the result stops the
/// gateway when it has answered the calls in progress.
async fn start_gateway(
    options: &LocalOptions,
    services: &Services,
    functions: &Functions,
    listener: TcpListener,
    servers: &mut JoinSet<()>,
) -> Result<watch::Sender<bool>, StartError> {
    let backend = match options.backend.clone() {
        Some(backend) => backend,
        None => serve_on_loopback(servers, listen(0).await?, backend::router()),
    };
    let authorization = Authorization::new(
        functions.authorizer.clone(),
        services.answers.clone(),
        options.http_api_simple_responses,
    );
    let gateway = Gateway::new(
        options.api_kind,
        options.access_log_fields,
        authorization,
        functions.usage_endpoint.clone(),
        backend,
        services.log_group.clone(),
        services.metrics.store().clone(),
    );
    let (stop_gateway, mut stopped) = watch::channel(false);
    let stop = async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    servers.spawn(serve(listener, gateway.router(), stop));
    Ok(stop_gateway)
}

/// Serves the dashboard and returns its URL.
async fn start_dashboard(
    options: &LocalOptions,
    services: &Services,
    ports: &mut Ports,
    servers: &mut JoinSet<()>,
) -> Result<String, StartError> {
    let unbilled =
        UNBILLED_ROUTES.parse::<UnbilledRoutes>().map_err(|error| part_error("the dashboard", error))?;
    let rules = BillingRules { billed_statuses: options.billed_statuses.clone(), unbilled };
    let absent_services: &[&str] = if options.usage_canary.is_some() { &[] } else { &[CANARY] };
    let sources = PageSources {
        metrics: services.metrics.store().clone(),
        logs: services.logs.clone(),
        ledger: services.ledger_client.clone(),
        keys: KeyStore::new(services.ledger_client.clone(), KEYS_TABLE, INVALIDATIONS_TABLE),
        customers: CustomerStore::new(services.ledger_client.clone(), KEYS_TABLE),
        rules,
        measured: Measured { since_ms: now_ms(), absent_services },
    };
    let listener = ports.listen("the dashboard", options.dashboard_port).await?;
    let router = dashboard::router(&sources, Handle::current());
    serve_on_own_thread(servers, listener, router).map_err(|error| part_error("the dashboard", error))
}

/// Serves the function URL of the usage page, and returns it.
async fn start_portal(
    options: &LocalOptions,
    functions: &Functions,
    ports: &mut Ports,
    servers: &mut JoinSet<()>,
) -> Result<String, StartError> {
    let listener = ports.listen("the usage page", options.portal_port).await?;
    Ok(serve_on_loopback(servers, listener, function_url::router(functions.portal.clone())))
}

/// Starts what runs at intervals: scheduled functions, the depths of the queues, and
/// the writing of metrics to disk.
fn start_schedules(
    options: &LocalOptions,
    functions: &Functions,
    services: &Services,
    servers: &mut JoinSet<()>,
) {
    servers.spawn(invoke_every(functions.reconciler.clone(), HOUR));
    if let (Some(function), Some(canary)) = (&functions.canary, options.usage_canary) {
        servers.spawn(invoke_every(function.clone(), Duration::from_millis(canary.interval_ms)));
    }
    let sqs = aws_sdk_sqs::Client::new(&services.clients);
    let metrics = services.metrics.store();
    servers.spawn(record_queue_depths(sqs, services.aws_endpoint_url.clone(), metrics.clone()));
    servers.spawn(write_metrics(metrics.clone()));
}

fn endpoints(options: &LocalOptions, wiring: &Wiring, urls: Urls, topics: Topics) -> Endpoints {
    Endpoints {
        gateway: urls.gateway,
        dashboard: urls.dashboard,
        portal: urls.portal,
        control: urls.control,
        aws_endpoint_url: wiring.aws_endpoint_url.clone(),
        quarantine_queue_url: wiring.quarantine_queue_url.clone(),
        on_failure_bucket: given_up_bucket(),
        usage_table: USAGE_TABLE.to_owned(),
        stream: STREAM.to_owned(),
        access_log_group: ACCESS_LOG_GROUP.to_owned(),
        keys_table: KEYS_TABLE.to_owned(),
        invalidations_table: INVALIDATIONS_TABLE.to_owned(),
        invalidations_topic_arn: topics.invalidations,
        alerts_topic_arn: topics.alerts,
        billed_statuses: options.billed_statuses.to_string(),
        sync_interval_ms: options.sync_interval_ms,
    }
}
