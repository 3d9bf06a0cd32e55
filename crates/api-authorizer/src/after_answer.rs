//! Runs a function after each answer, before the runtime asks for the next event.
//!
//! Lambda forwards an answer when the runtime posts it, and freezes the execution
//! environment only when the runtime asks for the next event. Work in between does
//! not delay the answered call and completes before the environment is frozen. It is
//! lost only if the environment ends at that moment.
//!
//! Source: Lambda Developer Guide, "Understanding the Lambda execution
//! environment lifecycle" and "Using the Lambda runtime API".

use std::sync::Arc;
use std::task::{Context, Poll};

use lambda_runtime::tower::{Layer, Service};
use lambda_runtime::{BoxFuture, Error, LambdaInvocation};

/// A layer of the runtime that runs a function after each answer.
#[derive(Debug, Clone)]
pub struct AfterAnswer<F> {
    then: Arc<F>,
}

impl<F: Fn()> AfterAnswer<F> {
    /// Creates a layer that runs `then` after each answer, errors included.
    pub fn new(then: F) -> Self {
        Self { then: Arc::new(then) }
    }
}

impl<S, F> Layer<S> for AfterAnswer<F> {
    type Service = Answering<S, F>;

    fn layer(&self, service: S) -> Self::Service {
        Answering { service, then: self.then.clone() }
    }
}

/// The wrapped service. Its future ends when the answer is posted.
#[derive(Debug, Clone)]
pub struct Answering<S, F> {
    service: S,
    then: Arc<F>,
}

impl<S, F> Service<LambdaInvocation> for Answering<S, F>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
    S::Future: Send + 'static,
    F: Fn() + Send + Sync + 'static,
{
    type Response = ();
    type Error = Error;
    type Future = BoxFuture<'static, Result<(), Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let (posted, then) = (self.service.call(invocation), self.then.clone());
        Box::pin(async move {
            let result = posted.await;
            then();
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use lambda_runtime::tower::service_fn;

    use super::*;

    #[tokio::test]
    async fn what_follows_an_answer_is_done_after_it_and_also_after_an_error() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (by_answer, by_layer) = (log.clone(), log.clone());
        let layer = AfterAnswer::new(move || by_layer.lock().unwrap().push("after"));
        let mut is_first = true;
        let mut service = layer.layer(service_fn(move |_: LambdaInvocation| {
            let (events, is_error) = (by_answer.clone(), !std::mem::take(&mut is_first));
            async move {
                tokio::task::yield_now().await;
                events.lock().unwrap().push("answer");
                if is_error { Err(Error::from("the answer cannot be posted")) } else { Ok(()) }
            }
        }));
        let invocation = || {
            let (parts, ()) = http::Response::new(()).into_parts();
            LambdaInvocation { parts, body: bytes::Bytes::new(), context: lambda_runtime::Context::default() }
        };
        assert!(service.call(invocation()).await.is_ok());
        assert!(service.call(invocation()).await.is_err());
        assert_eq!(*log.lock().unwrap(), ["answer", "after", "answer", "after"]);
    }
}
