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
/// use metering_core::route_pattern::{CallRoute, RoutePattern};
///
/// let pattern: RoutePattern = "GET /orders/{id}".parse()?;
/// let matches = |method, route| pattern.matches(CallRoute::new(method, Some(route)));
/// assert!(matches(Some("GET"), "/orders/{id}"));
/// assert!(matches(None, "GET /orders/{id}"), "the route key of an HTTP API");
/// assert!(!matches(Some("PUT"), "/orders/{id}"));
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

/// The method and the path of the route of a call, as patterns name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallRoute<'a> {
    method: Option<&'a str>,
    path: Option<&'a str>,
}

impl<'a> CallRoute<'a> {
    /// Takes the members of an access-log line.
    ///
    /// The route is the resource of a REST API (`/orders/{id}`) or the route key of an HTTP API
    /// (`GET /orders/{id}`, `$default`). A route key gives the method if `method` is `None`.
    pub fn new(method: Option<&'a str>, route: Option<&'a str>) -> Self {
        // A resource begins with a slash, a route key with a method, which has capital letters only.
        let is_resource = |route: &&str| route.starts_with('/');
        let route_key = route.filter(|route| !is_resource(route)).and_then(|route| route.split_once(' '));
        let route_key = route_key.filter(|(method, _)| is_method(method));
        match route_key {
            Some((of_route, path)) => {
                let method = method.or(Some(of_route).filter(|method| *method != ANY_METHOD));
                Self { method, path: Some(path) }
            }
            None => Self { method, path: route },
        }
    }
}

fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

impl RoutePattern {
    /// Returns `true` if a call of this method and route matches.
    pub fn matches(&self, CallRoute { method, path }: CallRoute<'_>) -> bool {
        match self {
            Self::Path(of_path) => path == Some(of_path),
            Self::Method(of_method) => method == Some(of_method),
            Self::MethodOfPath { method: of_method, path: of_path } => {
                path == Some(of_path) && method == Some(of_method)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_method_and_a_path_are_a_route_key() {
        let pattern: RoutePattern = "/usage".parse().unwrap();
        let matches = |route| pattern.matches(CallRoute::new(None, Some(route)));
        assert!(matches("/usage") && matches("GET /usage") && matches("ANY /usage"));
        for route in ["/a /usage", "get /usage", " /usage", "GET  /usage", "GET /usage/"] {
            assert!(!matches(route), "{route:?}");
        }
        assert_eq!(CallRoute::new(None, Some("ANY /a")), CallRoute::new(None, Some("/a")));
        assert_eq!(CallRoute::new(Some("PUT"), Some("ANY /a")), CallRoute::new(Some("PUT"), Some("/a")));
    }
}
