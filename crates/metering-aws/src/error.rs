//! Maps errors of the AWS SDK to the errors of the ports.

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use metering_core::ports::PortError;

/// Error codes of requests that may succeed when repeated, although their HTTP
/// status is 400. Source: DynamoDB Developer Guide, "Error handling".
const RETRYABLE_CODES: [&str; 8] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "LimitExceededException",
    "ItemCollectionSizeLimitExceededException",
    "TransactionConflictException",
    "RequestThrottled",
    "ThrottledException",
];

/// The error code of a request with unacceptable content. A retry cannot succeed.
/// Source: DynamoDB API Reference, "Common errors".
const INVALID_CODE: &str = "ValidationException";

/// Classifies an SDK error as retryable, refused or invalid.
pub(crate) fn port_error<E>(operation: String, error: SdkError<E, HttpResponse>) -> PortError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let refused = match &error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::ServiceError(service) => {
            let retryable = service.err().code().is_some_and(|code| RETRYABLE_CODES.contains(&code));
            service.raw().status().is_client_error() && !retryable
        }
        _ => false,
    };
    let is_invalid = error.code() == Some(INVALID_CODE);
    let source = Box::new(error);
    if is_invalid {
        PortError::Invalid { operation, source }
    } else if refused {
        PortError::Refused { operation, source }
    } else {
        PortError::Retryable { operation, source }
    }
}
