//! The routes of the gateway's API.

use access_log::log_format::ApiKind;
use http::Method;

/// Where customers see their usage.
const USAGE_PATH: &str = "/usage";
/// Paths below this need no key.
const PUBLIC_PREFIX: &str = "/public/";

/// A route: a resource and method of a REST API, a route of an HTTP API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The usage endpoint.
    Usage,
    /// What needs no key.
    Public,
    /// The preflight requests of browsers, which send no key.
    Preflight,
    /// Everything else.
    Backend,
}

impl Route {
    /// The route of a call; `None` where a REST API has none.
    ///
    /// Of two routes of an HTTP API the one with the more specific path is
    /// taken, and `$default` for what no route names. Of a REST API the
    /// resource is chosen by the path alone, and may lack the method.
    ///
    /// Source: API Gateway Developer Guide, "Routing API requests" and
    /// "Gateway response types for API Gateway", `MISSING_AUTHENTICATION_TOKEN`.
    pub fn of(kind: ApiKind, method: &Method, path: &str) -> Option<Self> {
        let is_preflight = method == Method::OPTIONS && path != "/";
        match (kind, path) {
            (_, USAGE_PATH) if method == Method::GET => Some(Self::Usage),
            (ApiKind::Rest, USAGE_PATH) if !is_preflight => None,
            _ if path.starts_with(PUBLIC_PREFIX) => Some(Self::Public),
            _ if is_preflight => Some(Self::Preflight),
            _ => Some(Self::Backend),
        }
    }

    /// Whether the authorizer is asked.
    ///
    /// A preflight has a route of its own without an authorizer, since
    /// `$default` with one would refuse it.
    ///
    /// Source: API Gateway Developer Guide, "Configure CORS for HTTP APIs",
    /// which has the route `OPTIONS /{proxy+}` for it.
    pub fn needs_key(self) -> bool {
        matches!(self, Self::Usage | Self::Backend)
    }

    /// `$context.resourcePath` of a REST API.
    pub fn resource(self, path: &str) -> &'static str {
        match self {
            Self::Public => "/public/{proxy+}",
            _ if path == USAGE_PATH => USAGE_PATH,
            _ if path == "/" => "/",
            _ => "/{proxy+}",
        }
    }

    /// `$context.routeKey` of an HTTP API.
    pub fn key(self) -> &'static str {
        match self {
            Self::Usage => "GET /usage",
            Self::Public => "ANY /public/{proxy+}",
            Self::Preflight => "OPTIONS /{proxy+}",
            Self::Backend => "$default",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_has_the_route_that_api_gateway_chooses() {
        for (method, path, resource, key) in [
            (Method::GET, "/usage", Some("/usage"), "GET /usage"),
            (Method::POST, "/usage", None, "$default"),
            (Method::OPTIONS, "/usage", Some("/usage"), "OPTIONS /{proxy+}"),
            (Method::GET, "/usage/", Some("/{proxy+}"), "$default"),
            (Method::GET, "/orders/7", Some("/{proxy+}"), "$default"),
            (Method::OPTIONS, "/orders/7", Some("/{proxy+}"), "OPTIONS /{proxy+}"),
            (Method::OPTIONS, "/", Some("/"), "$default"),
            (Method::GET, "/", Some("/"), "$default"),
            (Method::DELETE, "/public/a", Some("/public/{proxy+}"), "ANY /public/{proxy+}"),
            (Method::OPTIONS, "/public/a", Some("/public/{proxy+}"), "ANY /public/{proxy+}"),
        ] {
            let rest = Route::of(ApiKind::Rest, &method, path).map(|route| route.resource(path));
            let http = Route::of(ApiKind::Http, &method, path).map(Route::key);
            assert_eq!((rest, http), (resource, Some(key)), "{method} {path}");
        }
    }

    #[test]
    fn only_what_is_public_and_preflights_need_no_key() {
        let needs_key = |method: &Method, path| Route::of(ApiKind::Http, method, path).unwrap().needs_key();
        assert!(needs_key(&Method::GET, "/usage") && needs_key(&Method::POST, "/usage"));
        assert!(needs_key(&Method::GET, "/publicity") && needs_key(&Method::OPTIONS, "/"));
        assert!(!needs_key(&Method::OPTIONS, "/orders") && !needs_key(&Method::GET, "/public/a"));
    }
}
