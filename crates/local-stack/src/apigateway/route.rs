//! The routes of the API.

use access_log::log_format::ApiKind;
use deployment::settings::USAGE_PATH;
use http::Method;

/// The prefix of paths that need no key.
const PUBLIC_PREFIX: &str = "/public/";

/// A route: a resource with a method of a REST API, or a route of an HTTP API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `GET /usage`, the usage endpoint.
    Usage,
    /// The paths below `/public/`, which need no key.
    Public,
    /// The preflight requests of browsers, which send no key.
    Preflight,
    /// All other calls; they need a key.
    Backend,
}

impl Route {
    /// Returns the route of a call, or `None` if the REST API has no method for it.
    ///
    /// An HTTP API chooses the route with the most specific path, and `$default` if no route matches.
    /// A REST API chooses the resource by the path alone; the resource may lack the method.
    ///
    /// Source: API Gateway Developer Guide, "Routing API requests" and
    /// "Gateway response types for API Gateway", `MISSING_AUTHENTICATION_TOKEN`.
    pub fn find(kind: ApiKind, method: &Method, path: &str) -> Option<Self> {
        let is_preflight = method == Method::OPTIONS && path != "/";
        match (kind, path) {
            (_, USAGE_PATH) if method == Method::GET => Some(Self::Usage),
            (ApiKind::Rest, USAGE_PATH) if !is_preflight => None,
            _ if path.starts_with(PUBLIC_PREFIX) => Some(Self::Public),
            _ if is_preflight => Some(Self::Preflight),
            _ => Some(Self::Backend),
        }
    }

    /// Returns `true` if the route has the authorizer.
    ///
    /// Preflight requests have a separate route without it: `$default` has the authorizer, which
    /// would refuse them.
    ///
    /// Source: API Gateway Developer Guide, "Configure CORS for HTTP APIs", which recommends the
    /// route `OPTIONS /{proxy+}`.
    pub fn needs_key(self) -> bool {
        matches!(self, Self::Usage | Self::Backend)
    }

    /// Returns `$context.resourcePath` of a REST API.
    pub fn resource(self, path: &str) -> &'static str {
        match self {
            Self::Public => "/public/{proxy+}",
            _ if path == USAGE_PATH => USAGE_PATH,
            _ if path == "/" => "/",
            _ => "/{proxy+}",
        }
    }

    /// Returns `$context.routeKey` of an HTTP API.
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
            let rest = Route::find(ApiKind::Rest, &method, path).map(|route| route.resource(path));
            let http = Route::find(ApiKind::Http, &method, path).map(Route::key);
            assert_eq!((rest, http), (resource, Some(key)), "{method} {path}");
        }
    }

    #[test]
    fn only_what_is_public_and_preflights_need_no_key() {
        let needs_key = |method: &Method, path| Route::find(ApiKind::Http, method, path).unwrap().needs_key();
        assert!(needs_key(&Method::GET, "/usage") && needs_key(&Method::POST, "/usage"));
        assert!(needs_key(&Method::GET, "/publicity") && needs_key(&Method::OPTIONS, "/"));
        assert!(!needs_key(&Method::OPTIONS, "/orders") && !needs_key(&Method::GET, "/public/a"));
    }
}
