//! The files of the page, and the headers with which they are served.

use axum::Router;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use page_parts::{CSS, File, HTML, JAVASCRIPT};

/// Allows only resources of this server, and nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The frame of each page.
const LAYOUT: &str = include_str!("web/layout.html");

/// The path, the title, the script and the content of each page.
const PAGES: &[(&str, &str, &str, &str)] = &[
    ("/", "Overview", "overview", include_str!("web/overview.html")),
    ("/report", "Usage", "usage", include_str!("web/usage.html")),
    ("/key", "Key", "detail", include_str!("web/detail.html")),
    ("/customer", "Customer", "detail", include_str!("web/detail.html")),
    ("/calls", "Find a call", "calls", include_str!("web/calls.html")),
];

/// The files of these pages alone.
const FILES: &[File] = &[
    File::new("page.css", CSS, include_str!("web/page.css")),
    File::new("calls.js", JAVASCRIPT, include_str!("web/calls.js")),
    File::new("detail.js", JAVASCRIPT, include_str!("web/detail.js")),
    File::new("facts.js", JAVASCRIPT, include_str!("web/facts.js")),
    File::new("range-controls.js", JAVASCRIPT, include_str!("web/range-controls.js")),
    File::new("overview.js", JAVASCRIPT, include_str!("web/overview.js")),
    File::new("shell.js", JAVASCRIPT, include_str!("web/shell.js")),
    File::new("status.js", JAVASCRIPT, include_str!("web/status.js")),
    File::new("usage.js", JAVASCRIPT, include_str!("web/usage.js")),
    File::new("usage-table.js", JAVASCRIPT, include_str!("web/usage-table.js")),
];

/// Returns the routes of the pages and files.
pub fn router() -> Router {
    let files = FILES.iter().chain(page_parts::FILES);
    let router = files.fold(Router::new(), |router, file| {
        let answer = move || async move { ([(header::CONTENT_TYPE, file.content_type)], file.text) };
        router.route(&format!("/{}", file.name), get(answer))
    });
    // A browser asks for an icon if a text has none.
    let router = router.route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }));
    PAGES.iter().fold(router, |router, (path, title, script, content)| {
        let page = LAYOUT.replace("{title}", title).replace("{script}", script).replace("{content}", content);
        router.route(path, get(move || async move { ([(header::CONTENT_TYPE, HTML)], page) }))
    })
}

/// Refuses requests whose `Host` is not a name of this machine, and sets the headers of all responses.
/// Otherwise a page of another origin could let its own name resolve to this machine and read the usage
/// (DNS rebinding).
pub async fn guard(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if !["127.0.0.1", "localhost"].contains(&name) {
        return (StatusCode::MISDIRECTED_REQUEST, "this page is for this machine only").into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
