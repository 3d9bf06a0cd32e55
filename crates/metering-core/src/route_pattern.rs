//! Patterns of routes, by which calls are left unbilled or get a class.

use std::fmt;
use std::str::FromStr;

/// The method in the route key of a route that an HTTP API serves for every method.
///
/// Source: API Gateway Developer Guide, "Create routes for HTTP APIs".
const ANY_METHOD: &str = "ANY";

/// A route, a method, or a method of a route.
///
/// ```
/// use metering_core::route_pattern::RoutePattern;
///
/// let pattern: RoutePattern = "GET /orders/{id}".parse()?;
/// assert!(pattern.matches(Some("GET"), Some("/orders/{id}")));
/// assert!(pattern.matches(None, Some("GET /orders/{id}")), "the route key of an HTTP API");
/// assert!(!pattern.matches(Some("PUT"), Some("/orders/{id}")));
/// # Ok::<(), metering_core::route_pattern::NotARoute>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RoutePattern {
    /// A route with any method: `/usage`.
    Path(String),
    /// One method of every route: `OPTIONS *`.
    Method(String),
    /// One method of a route: `GET /health`.
    MethodOfPath {
        /// The HTTP method, in upper case.
        method: String,
        /// The path of the route, or `$default`.
        path: String,
    },
}

/// A text that is not a pattern of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pattern of routes is /path, METHOD /path or METHOD *")]
pub struct NotARoute;

impl RoutePattern {
    /// Returns `true` if a call of this method and route matches.
    ///
    /// The route is the resource of a REST API (`/orders/{id}`) or the route key of an HTTP API
    /// (`GET /orders/{id}`, `$default`). A route key gives the method if `method` is `None`.
    pub fn matches(&self, method: Option<&str>, route: Option<&str>) -> bool {
        let (method_of_route, path) = match route.map(|route| route.split_once(' ').ok_or(route)) {
            Some(Ok((method, path))) => (Some(method).filter(|method| *method != ANY_METHOD), Some(path)),
            Some(Err(path)) => (None, Some(path)),
            None => (None, None),
        };
        let method = method.or(method_of_route);
        match self {
            Self::Path(of_path) => path == Some(of_path),
            Self::Method(of_method) => method == Some(of_method),
            Self::MethodOfPath { method: of_method, path: of_path } => {
                method == Some(of_method) && path == Some(of_path)
            }
        }
    }
}

impl FromStr for RoutePattern {
    type Err = NotARoute;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (method, path) = match text.split_once(' ') {
            Some((method, path)) => (Some(method), path.trim_start()),
            None => (None, text),
        };
        let is_method =
            |method: &str| !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_path = (path.starts_with('/') || path == "$default") && !path.contains(['*', ' ']);
        match method {
            None | Some(ANY_METHOD) if is_path => Ok(Self::Path(path.to_owned())),
            Some(method) if is_method(method) && is_path => {
                Ok(Self::MethodOfPath { method: method.to_owned(), path: path.to_owned() })
            }
            Some(method) if is_method(method) && method != ANY_METHOD && path == "*" => {
                Ok(Self::Method(method.to_owned()))
            }
            _ => Err(NotARoute),
        }
    }
}

impl fmt::Display for RoutePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => formatter.write_str(path),
            Self::Method(method) => write!(formatter, "{method} *"),
            Self::MethodOfPath { method, path } => write!(formatter, "{method} {path}"),
        }
    }
}
