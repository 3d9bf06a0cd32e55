//! The control endpoint: a load test changes the faults of a running stack, kills processes, and
//! waits until all events are counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::backlog::Backlog;
use crate::dynamodb::expiry::Expiry;
use crate::faults::{FaultRates, Faults, InjectedFaults};
use crate::lambda::Function;

/// Interval between two looks for a process with an invocation.
const KILL_POLL: Duration = Duration::from_millis(1);

/// The parts of the stack that can be controlled.
#[derive(Clone)]
pub(super) struct Control {
    pub faults: Arc<Faults>,
    pub functions: Vec<Arc<Function>>,
    pub backlog: Backlog,
    pub expiry: Expiry,
}

impl Control {
    pub fn new(
        functions: Vec<Arc<Function>>,
        faults: &Arc<Faults>,
        backlog: &Backlog,
        expiry: &Expiry,
    ) -> Self {
        Self { faults: faults.clone(), functions, backlog: backlog.clone(), expiry: expiry.clone() }
    }

    /// Returns the routes `GET` and `PUT /faults`, `GET /faults/injected`, `POST
    /// /functions/{name}/kill?within_ms=N`, `/hold` and `/release`, `POST /expire`, `GET /processes`, `GET
    /// /settled`.
    pub fn router(self) -> Router {
        Router::new()
            .route("/faults", get(faults).put(set_faults))
            .route("/faults/injected", get(injected_faults))
            .route("/functions/{name}/kill", post(kill))
            .route("/functions/{name}/hold", post(hold))
            .route("/functions/{name}/release", post(release))
            .route("/expire", post(expire))
            .route("/processes", get(processes))
            .route("/settled", get(settled))
            .with_state(self)
    }
}

async fn faults(State(control): State<Control>) -> Json<FaultRates> {
    Json(control.faults.rates())
}

async fn set_faults(State(control): State<Control>, Json(rates): Json<FaultRates>) -> Json<FaultRates> {
    control.faults.set(rates);
    Json(rates)
}

/// Returns the number of injected faults of each kind since the start.
async fn injected_faults(State(control): State<Control>) -> Json<InjectedFaults> {
    Json(control.faults.injected())
}

/// The time within which a process is to be killed.
#[derive(Deserialize)]
struct Within {
    /// Milliseconds from the request on.
    within_ms: u64,
}

/// Kills a process of a function as soon as one has an invocation, within the given time.
async fn kill(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(within): Query<Within>,
) -> Response {
    let deadline = Instant::now() + Duration::from_millis(within.within_ms);
    loop {
        let mut killed = None;
        let response = on_function(State(control.clone()), Path(name.clone()), |function| {
            killed = function.kill_busy();
            json!({"process_id": killed})
        });
        if killed.is_some() || Instant::now() >= deadline || !response.status().is_success() {
            return response;
        }
        tokio::time::sleep(KILL_POLL).await;
    }
}

/// Stops all processes of a function.
async fn hold(control: State<Control>, name: Path<String>) -> Response {
    on_function(control, name, |function| json!({"processes": function.hold()}))
}

async fn release(control: State<Control>, name: Path<String>) -> Response {
    on_function(control, name, |function| {
        function.release();
        json!({})
    })
}

/// Responds with the result of an action on the function of a name.
fn on_function(
    State(control): State<Control>,
    Path(name): Path<String>,
    action: impl FnOnce(&Function) -> Value,
) -> Response {
    let Some(function) = control.functions.iter().find(|function| function.name() == name) else {
        let names: Vec<&str> = control.functions.iter().map(|function| function.name()).collect();
        let message = format!("unknown function {name:?}; the functions are {}", names.join(", "));
        return (StatusCode::NOT_FOUND, Json(json!({"message": message}))).into_response();
    };
    Json(action(function)).into_response()
}

/// Deletes the DynamoDB items whose time to live is over.
async fn expire(State(control): State<Control>) -> Response {
    match control.expiry.sweep().await {
        Ok(deleted) => Json(json!({"deleted": deleted})).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"message": error.to_string()}))).into_response()
        }
    }
}

async fn processes(State(control): State<Control>) -> Json<Value> {
    let functions: BTreeMap<&str, Vec<i32>> =
        control.functions.iter().map(|function| (function.name(), function.process_ids())).collect();
    Json(json!({"stack": std::process::id(), "functions": functions}))
}

/// Responds when the consumer has processed all events that are logged now.
async fn settled(State(control): State<Control>) -> Response {
    match control.backlog.settled().await {
        Ok(()) => Json(json!({"settled": true})).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"message": error.to_string()}))).into_response()
        }
    }
}
