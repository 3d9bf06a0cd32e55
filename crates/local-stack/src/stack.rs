//! Starts and stops all parts together.

use std::fs::File;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use lambda_support::clock::now_ms;
use metering_aws::connection::{COMMAND_PATIENCE, LOCAL_REGION, load_local};
use metering_aws::tables;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::aws_endpoint::AwsEndpoint;
use crate::backend;
use crate::faults::{FaultRates, Faults};
use crate::gateway::Gateway;
use crate::key_file::{self, SeedKey};
use crate::kinesis::KinesisStore;
use crate::lambda::event_source_mapping::{Checkpoints, EventSourceMapping, MappingSettings};
use crate::lambda::{Function, FunctionSpec};
use crate::log_group::LogGroup;
use crate::metrics::MetricSink;
use crate::queues::{ACCOUNT_ID, Queues};
use crate::subscription::{Subscription, SubscriptionSettings};

/// The names of the resources, the same in every local stack.
pub const USAGE_TABLE: &str = "usage-local";
/// The table of claims.
pub const CLAIMS_TABLE: &str = "usage-claims-local";
/// The stream.
pub const STREAM: &str = "usage-local";
/// The quarantine queue.
pub const QUARANTINE_QUEUE: &str = "usage-quarantine-local";
/// The log group.
pub const LOG_GROUP: &str = "/aws/api-gateway/usage-local";

/// How a local stack is set up.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// Where everything is kept.
    pub data_folder: PathBuf,
    /// The binary of the usage consumer.
    pub consumer_binary: PathBuf,
    /// The port of the gateway; 0 for any.
    pub gateway_port: u16,
    /// The port of the AWS endpoint; 0 for any.
    pub aws_port: u16,
    /// The backend, as `http://HOST:PORT`; `None` for the built-in one.
    pub backend: Option<String>,
    /// The keys; `None` for `keys.json` in the data folder.
    pub key_file: Option<PathBuf>,
    /// Shards of a new stream.
    pub shard_count: u32,
    /// The most environments of the consumer at once.
    pub max_environments: usize,
    /// Further environment variables of the consumer.
    pub consumer_environment: Vec<(String, String)>,
    /// The most records of a batch.
    pub batch_size: usize,
    /// How long a batch waits to fill, in milliseconds.
    pub batch_window_ms: u64,
    /// How often an empty shard is asked, in milliseconds.
    pub poll_interval_ms: u64,
    /// The most log events of one record.
    pub events_per_record: usize,
    /// How long the subscription waits for more events, in milliseconds.
    pub delivery_delay_ms: u64,
    /// The function's time-out, in milliseconds.
    pub function_timeout_ms: u64,
    /// What goes wrong on purpose.
    pub faults: FaultRates,
    /// The seed of the faults.
    pub fault_seed: u64,
}

impl LocalOptions {
    /// The defaults, for a data folder and a consumer.
    pub fn new(data_folder: impl Into<PathBuf>, consumer_binary: impl Into<PathBuf>) -> Self {
        Self {
            data_folder: data_folder.into(),
            consumer_binary: consumer_binary.into(),
            gateway_port: 0,
            aws_port: 0,
            backend: None,
            key_file: None,
            shard_count: 2,
            max_environments: 4,
            consumer_environment: Vec::new(),
            batch_size: 100,
            batch_window_ms: 200,
            poll_interval_ms: 250,
            events_per_record: 200,
            delivery_delay_ms: 200,
            function_timeout_ms: 30_000,
            faults: FaultRates::default(),
            fault_seed: 0,
        }
    }
}

/// Where a running stack is found; also written to `endpoints.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// The gateway, as a URL.
    pub gateway: String,
    /// What `AWS_ENDPOINT_URL` is set to.
    pub aws_endpoint_url: String,
    /// The URL of the quarantine queue.
    pub quarantine_queue_url: String,
    /// The ledger.
    pub usage_table: String,
    /// The stream.
    pub stream: String,
}

impl Endpoints {
    /// Reads where the stack with this data folder is found.
    ///
    /// # Errors
    /// When no stack was started there.
    pub fn of_folder(data_folder: &Path) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(data_folder.join("endpoints.json"))?;
        serde_json::from_str(&text).map_err(std::io::Error::other)
    }
}

/// Why a stack could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error("the data folder {folder} cannot be used")]
    Folder {
        /// The folder.
        folder: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another stack uses the folder.
    #[error("another `meter local` uses the data folder {folder}; stop it, or choose another with --data")]
    InUse {
        /// The folder.
        folder: String,
    },
    /// The consumer is not there.
    #[error(
        "the usage consumer's binary is not at {binary}; build it with scripts/build-local.sh, or name it with --consumer"
    )]
    NoConsumer {
        /// Where it was looked for.
        binary: String,
    },
    /// A port cannot be had.
    #[error("port {port} of 127.0.0.1 cannot be used; choose another, or 0 for any")]
    Port {
        /// The port.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] key_file::KeyFileError),
    /// A part could not be started.
    #[error("{part} could not be started")]
    Part {
        /// The part.
        part: &'static str,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A running stack.
pub struct LocalStack {
    /// Where it is found.
    pub endpoints: Endpoints,
    /// The keys of the gateway.
    pub keys: Vec<SeedKey>,
    /// What the functions have told.
    pub metrics: Arc<MetricSink>,
    /// The usage consumer.
    pub consumer: Arc<Function>,
    /// The log group of the gateway.
    pub log_group: Arc<LogGroup>,
    /// The streams.
    pub kinesis: Arc<KinesisStore>,
    /// A client of the streams.
    pub kinesis_client: aws_sdk_kinesis::Client,
    /// A client of the ledger that no fault reaches.
    pub ledger_client: aws_sdk_dynamodb::Client,
    checkpoints: Arc<Checkpoints>,
    mapping_settings: MappingSettings,
    mapping: Option<EventSourceMapping>,
    delivered: watch::Receiver<i64>,
    servers: JoinSet<()>,
    stop_gateway: watch::Sender<bool>,
    _lock: File,
}

impl LocalStack {
    /// Starts everything and returns when it can be used.
    ///
    /// # Errors
    /// When a part cannot be started; the error says which and why.
    pub async fn start(options: LocalOptions) -> Result<Self, StartError> {
        let folder = &options.data_folder;
        let lock = lock_folder(folder)?;
        if !options.consumer_binary.is_file() {
            return Err(StartError::NoConsumer { binary: options.consumer_binary.display().to_string() });
        }
        let key_path = options.key_file.clone().unwrap_or_else(|| folder.join("keys.json"));
        let keys = key_file::load_or_create(&key_path)?;
        let key_ids = key_file::ids_by_secret(&keys, &key_path)?;
        let mut servers = JoinSet::new();

        let database = dynoxide::Database::new(&folder.join("dynamodb.sqlite").to_string_lossy());
        let database = database.map_err(|error| part("DynamoDB", error.to_string()))?;
        let (dynamodb_listener, dynamodb) = listen(0).await?;
        servers.spawn(dynoxide::server::serve_on(dynamodb_listener, database));
        let kinesis = Arc::new(
            KinesisStore::open(&folder.join("kinesis.sqlite")).map_err(|error| part("Kinesis", error))?,
        );
        let queues =
            Queues::open(&folder.join("queues.sqlite")).await.map_err(|error| part("SQS and SNS", error))?;
        let faults = Arc::new(Faults::new(options.faults, options.fault_seed));
        let (aws_listener, aws) = listen(options.aws_port).await?;
        let endpoint = AwsEndpoint::new(dynamodb, kinesis.clone(), Arc::new(queues), faults.clone());
        servers.spawn(serve(aws_listener, endpoint.router(), std::future::pending()));
        let aws_endpoint_url = format!("http://{aws}");

        let clients = load_local(&aws_endpoint_url, COMMAND_PATIENCE).await;
        let direct = load_local(&format!("http://{dynamodb}"), COMMAND_PATIENCE).await;
        let ledger_client = aws_sdk_dynamodb::Client::new(&direct);
        let kinesis_client = aws_sdk_kinesis::Client::new(&clients);
        create_resources(&ledger_client, &kinesis, &aws_sdk_sqs::Client::new(&clients), options.shard_count)
            .await?;

        let metrics = Arc::new(MetricSink::open(folder).map_err(|error| part("the metrics", error))?);
        let quarantine_queue_url = format!("{aws_endpoint_url}/{ACCOUNT_ID}/{QUARANTINE_QUEUE}");
        let spec = consumer_spec(&options, &aws_endpoint_url, &quarantine_queue_url);
        let consumer = Arc::new(Function::new(spec, metrics.clone()));
        let log_group = LogGroup::open(&folder.join("logs.sqlite"), LOG_GROUP)
            .map_err(|error| part("the log group", error))?;
        let log_group = Arc::new(log_group);
        let subscription = Subscription::new(
            log_group.clone(),
            kinesis_client.clone(),
            subscription_settings(&options),
            faults,
        )
        .map_err(|error| part("the subscription", error))?;
        let delivered = subscription.delivered();
        servers.spawn(subscription.run());
        let checkpoints = Checkpoints::open(&folder.join("checkpoints.sqlite"))
            .map_err(|error| part("the event source mapping", error))?;
        let checkpoints = Arc::new(checkpoints);
        let mapping_settings = mapping_settings(&options);

        let backend = if let Some(backend) = options.backend.clone() {
            backend
        } else {
            let (listener, address) = listen(0).await?;
            servers.spawn(serve(listener, backend::router(), std::future::pending()));
            format!("http://{address}")
        };
        let (gateway_listener, gateway_address) = listen(options.gateway_port).await?;
        let (stop_gateway, mut stopped) = watch::channel(false);
        let gateway = Gateway::new(key_ids, backend, log_group.clone());
        let stop = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        servers.spawn(serve(gateway_listener, gateway.router(), stop));

        let endpoints = Endpoints {
            gateway: format!("http://{gateway_address}"),
            aws_endpoint_url,
            quarantine_queue_url,
            usage_table: USAGE_TABLE.to_owned(),
            stream: STREAM.to_owned(),
        };
        write_endpoints(folder, &endpoints)?;
        let mut stack = Self {
            endpoints,
            keys,
            metrics,
            consumer,
            log_group,
            kinesis,
            kinesis_client,
            ledger_client,
            checkpoints,
            mapping_settings,
            mapping: None,
            delivered,
            servers,
            stop_gateway,
            _lock: lock,
        };
        stack.start_mapping();
        Ok(stack)
    }

    fn start_mapping(&mut self) {
        let mapping = EventSourceMapping::start(
            self.kinesis_client.clone(),
            self.consumer.clone(),
            self.mapping_settings.clone(),
            self.checkpoints.clone(),
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
        self.checkpoints.clear().map_err(|error| part("the event source mapping", error))?;
        self.start_mapping();
        Ok(())
    }

    /// Waits until every event that is logged now has gone through the
    /// consumer, and every record that is on the stream by then.
    ///
    /// # Errors
    /// When a part cannot be asked any more.
    pub async fn settled(&self) -> Result<(), StartError> {
        let logged = *self.log_group.last_id().borrow();
        let mut delivered = self.delivered.clone();
        let stopped = |_| part("the subscription", "it has stopped".to_owned());
        delivered.wait_for(|delivered| *delivered >= logged).await.map_err(stopped)?;
        let mut changes = self.checkpoints.changes();
        loop {
            changes.borrow_and_update();
            if self.backlog().map_err(|error| part("the stream", error))? == 0 {
                return Ok(());
            }
            changes
                .changed()
                .await
                .map_err(|_| part("the event source mapping", "it has stopped".to_owned()))?;
        }
    }

    /// How many shards have records that were not processed yet.
    fn backlog(&self) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let mut behind = 0;
        for (shard_id, last) in self.kinesis.last_sequence_numbers(STREAM)? {
            let Some(last) = last else { continue };
            behind += usize::from(self.checkpoints.of_shard(&shard_id)?.as_deref() != Some(last.as_str()));
        }
        Ok(behind)
    }

    /// Stops: no more calls are taken, those under way are answered, and what
    /// is logged stays in the data folder for the next start.
    pub async fn shut_down(mut self) {
        let _ = self.stop_gateway.send(true);
        if let Some(mapping) = self.mapping.take() {
            mapping.stop().await;
        }
        self.consumer.shut_down();
        self.servers.shutdown().await;
    }
}

fn part(part: &'static str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StartError {
    StartError::Part { part, source: error.into() }
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

async fn listen(port: u16) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |source| StartError::Port { port, source };
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(error)?;
    let address = listener.local_addr().map_err(error)?;
    Ok((listener, address))
}

async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()> + Send + 'static) {
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop).await {
        tracing::error!(%error, "a server has stopped");
    }
}

async fn create_resources(
    dynamodb: &aws_sdk_dynamodb::Client,
    kinesis: &KinesisStore,
    sqs: &aws_sdk_sqs::Client,
    shard_count: u32,
) -> Result<(), StartError> {
    tables::create_usage_ledger(dynamodb, USAGE_TABLE)
        .await
        .map_err(|error| part("the usage ledger", error))?;
    tables::create_claims(dynamodb, CLAIMS_TABLE)
        .await
        .map_err(|error| part("the table of claims", error))?;
    let names = kinesis.stream_names().map_err(|error| part("Kinesis", error))?;
    if !names.iter().any(|name| name == STREAM) {
        kinesis.create_stream(STREAM, shard_count, now_ms()).map_err(|error| part("the stream", error))?;
    }
    kinesis.trim(now_ms()).map_err(|error| part("the stream", error))?;
    sqs.create_queue()
        .queue_name(QUARANTINE_QUEUE)
        .send()
        .await
        .map_err(|error| part("the quarantine queue", error))?;
    Ok(())
}

fn consumer_spec(options: &LocalOptions, aws_endpoint_url: &str, quarantine_queue_url: &str) -> FunctionSpec {
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut environment = vec![
        variable("AWS_ENDPOINT_URL", aws_endpoint_url),
        variable("AWS_REGION", LOCAL_REGION),
        variable("AWS_ACCESS_KEY_ID", "local"),
        variable("AWS_SECRET_ACCESS_KEY", "local"),
        variable("USAGE_TABLE", USAGE_TABLE),
        variable("CLAIMS_TABLE", CLAIMS_TABLE),
        variable("QUARANTINE_QUEUE_URL", quarantine_queue_url),
        variable("ENVIRONMENT_NAME", "local"),
    ];
    environment.extend(options.consumer_environment.iter().cloned());
    FunctionSpec {
        name: "usage-consumer".to_owned(),
        binary: options.consumer_binary.clone(),
        environment,
        timeout_ms: options.function_timeout_ms,
        max_environments: options.max_environments,
    }
}

fn subscription_settings(options: &LocalOptions) -> SubscriptionSettings {
    SubscriptionSettings {
        stream: STREAM.to_owned(),
        max_batch_events: options.events_per_record,
        batch_delay_ms: options.delivery_delay_ms,
    }
}

fn mapping_settings(options: &LocalOptions) -> MappingSettings {
    MappingSettings {
        stream: STREAM.to_owned(),
        batch_size: options.batch_size,
        batch_window_ms: options.batch_window_ms,
        poll_interval_ms: options.poll_interval_ms,
        bisect_on_error: true,
        max_retries: None,
        max_record_age_ms: None,
        on_failure_folder: options.data_folder.join("on-failure"),
    }
}
