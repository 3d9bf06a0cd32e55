//! `GetCallerIdentity`, with which users check their credentials.

use axum::response::Response;
use http::StatusCode;

use super::call::Call;
use crate::api::query;
use crate::api::tables::STS;
use crate::api::{Problem, Refusal, check_texts};
use crate::names::ACCOUNT_ID;

/// Name of the user to which all credentials belong.
const USER: &str = "local";

/// Handles a request.
pub(super) fn handle(call: &Call) -> Response {
    let mut request = query::read(&call.body);
    if let Err(Refusal { problem, message }) = check_texts(&STS, &request.action, &mut request.parameters) {
        let code = if problem == Problem::UnknownOperation { "InvalidAction" } else { "ValidationError" };
        return call.error(StatusCode::BAD_REQUEST, code, &message);
    }
    call.protocol.respond_xml(&request.action, &call.request_id, |xml| {
        xml.text("Arn", &format!("arn:aws:iam::{ACCOUNT_ID}:user/{USER}"));
        xml.text("UserId", "AIDALOCALSTACKUSER000").text("Account", ACCOUNT_ID);
    })
}
