//! What is done after a call is answered and before the next event is asked for.
//!
//! Lambda passes an answer on when the runtime posts it, and freezes the
//! environment only when the runtime asks for the next event. What is done in
//! between delays nobody whose call is answered, and is complete before the
//! environment is frozen: only an environment that ends just then loses it.
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
    /// Runs `then` after each answer, also one that is an error.
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

/// The service whose end is the answer.
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
        let told = Arc::new(Mutex::new(Vec::new()));
        let (by_answer, by_layer) = (told.clone(), told.clone());
        let layer = AfterAnswer::new(move || by_layer.lock().unwrap().push("after"));
        let mut is_first = true;
        let mut service = layer.layer(service_fn(move |_: LambdaInvocation| {
            let (told, is_error) = (by_answer.clone(), !std::mem::take(&mut is_first));
            async move {
                tokio::task::yield_now().await;
                told.lock().unwrap().push("answer");
                if is_error { Err(Error::from("it cannot be posted")) } else { Ok(()) }
            }
        }));
        let invocation = || {
            let (parts, ()) = http::Response::new(()).into_parts();
            LambdaInvocation { parts, body: bytes::Bytes::new(), context: lambda_runtime::Context::default() }
        };
        assert!(service.call(invocation()).await.is_ok());
        assert!(service.call(invocation()).await.is_err());
        assert_eq!(*told.lock().unwrap(), ["answer", "after", "answer", "after"]);
    }
}
