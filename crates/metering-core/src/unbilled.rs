//! The routes and methods whose calls are not billed.

use std::fmt;
use std::str::FromStr;

use crate::route_pattern::{CallRoute, RoutePattern};

/// Maximum number of entries. Each call is compared with all of them, and the reconciler's query names
/// all of them.
pub const MAX_UNBILLED_ROUTES: usize = 100;

/// The routes and methods whose calls are not billed, such as the route of the usage endpoint, or
/// the method of CORS preflights.
///
/// It is written as entries, separated by commas: `/usage` (a route with any method), `GET /health`
/// (one method of a route) or `OPTIONS *` (one method of every route). A change applies to the
/// batches that begin after it.
///
/// ```
/// use metering_core::unbilled::UnbilledRoutes;
///
/// let unbilled: UnbilledRoutes = "/usage,OPTIONS *".parse()?;
/// assert!(unbilled.contains(Some("GET"), Some("/usage")));
/// assert!(unbilled.contains(None, Some("GET /usage")), "the route key of an HTTP API");
/// assert!(unbilled.contains(Some("OPTIONS"), Some("/orders/{id}")));
/// assert!(!unbilled.contains(Some("GET"), Some("/orders/{id}")));
/// # Ok::<(), metering_core::unbilled::UnbilledRouteError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnbilledRoutes(Vec<RoutePattern>);

/// A text that is not a list of unbilled routes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnbilledRouteError {
    /// An entry does not name a route or a method.
    #[error(
        "the unbilled route {entry:?} is not understood; write /path, METHOD /path or METHOD *, with commas between several"
    )]
    Entry {
        /// The entry, without surrounding white space.
        entry: String,
    },
    /// The list has more than [`MAX_UNBILLED_ROUTES`] entries.
    #[error(
        "{entries} routes are unbilled, more than {MAX_UNBILLED_ROUTES}; leave the key out of the access log of their API, or put them behind a stage that is not metered"
    )]
    TooMany {
        /// Number of entries.
        entries: usize,
    },
}

impl UnbilledRoutes {
    /// Returns `true` if calls of this method and route are not billed. [`CallRoute::new`] says what a
    /// route is.
    pub fn contains(&self, method: Option<&str>, route: Option<&str>) -> bool {
        let route = CallRoute::new(method, route);
        self.0.iter().any(|pattern| pattern.matches(route))
    }

    /// Returns the entries in the order in which they were written.
    pub fn entries(&self) -> &[RoutePattern] {
        &self.0
    }
}

impl FromStr for UnbilledRoutes {
    type Err = UnbilledRouteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let pattern =
            |entry: &str| entry.parse().map_err(|_| UnbilledRouteError::Entry { entry: entry.to_owned() });
        let routes: Vec<RoutePattern> = entries.map(pattern).collect::<Result<_, _>>()?;
        match routes.len() {
            0..=MAX_UNBILLED_ROUTES => Ok(Self(routes)),
            entries => Err(UnbilledRouteError::TooMany { entries }),
        }
    }
}

impl fmt::Display for UnbilledRoutes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, entry) in self.0.iter().enumerate() {
            formatter.write_str(if place > 0 { "," } else { "" })?;
            write!(formatter, "{entry}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unbilled(text: &str) -> UnbilledRoutes {
        text.parse().unwrap()
    }

    #[test]
    fn a_route_is_unbilled_by_path_by_method_or_by_both() {
        let routes = unbilled("/usage, GET /health,OPTIONS *");
        for (method, route, is_unbilled) in [
            (Some("GET"), Some("/usage"), true),
            (Some("POST"), Some("/usage"), true),
            (None, Some("/usage"), true),
            (Some("GET"), Some("/usage/more"), false),
            (Some("GET"), Some("/health"), true),
            (Some("POST"), Some("/health"), false),
            (None, Some("/health"), false),
            (Some("OPTIONS"), Some("/orders"), true),
            (Some("OPTIONS"), None, true),
            (Some("GET"), Some("/orders"), false),
            (None, None, false),
        ] {
            assert_eq!(routes.contains(method, route), is_unbilled, "{method:?} {route:?}");
        }
    }

    #[test]
    fn the_route_key_of_an_http_api_names_its_method() {
        let routes = unbilled("/usage,GET /health,$default,OPTIONS *");
        for (method, route, is_unbilled) in [
            (None, "GET /usage", true),
            (Some("GET"), "ANY /usage", true),
            (None, "GET /health", true),
            (None, "POST /health", false),
            (None, "ANY /health", false),
            (Some("GET"), "ANY /health", true),
            (None, "$default", true),
            (None, "OPTIONS /orders", true),
            (None, "GET /orders", false),
        ] {
            assert_eq!(routes.contains(method, Some(route)), is_unbilled, "{method:?} {route:?}");
        }
    }

    #[test]
    fn entries_that_name_no_route_are_refused_with_what_to_write() {
        for entry in
            ["usage", "*", "get /usage", "GET usage", "/health/*", "GET", "GET  ", "/a b", "* /a", "ANY *"]
        {
            let error = entry.parse::<UnbilledRoutes>().unwrap_err();
            assert_eq!(error, UnbilledRouteError::Entry { entry: entry.trim().to_owned() });
            assert!(error.to_string().contains("METHOD /path"), "{error}");
        }
    }

    #[test]
    fn a_hundred_routes_are_unbilled_and_not_one_more() {
        let routes = |count| vec!["/usage"; count].join(",").parse::<UnbilledRoutes>();
        assert_eq!(routes(MAX_UNBILLED_ROUTES).unwrap().entries().len(), MAX_UNBILLED_ROUTES);
        let error = UnbilledRouteError::TooMany { entries: MAX_UNBILLED_ROUTES + 1 };
        assert_eq!(routes(MAX_UNBILLED_ROUTES + 1), Err(error));
    }

    #[test]
    fn routes_are_shown_as_they_are_read() {
        let shown = unbilled("/usage, GET /health,,ANY /b,OPTIONS *").to_string();
        assert_eq!(shown, "/usage,GET /health,/b,OPTIONS *");
        assert_eq!(unbilled(&shown).to_string(), shown);
        assert_eq!(unbilled("").entries(), []);
    }
}
