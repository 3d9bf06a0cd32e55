import accessLog from './generated/access-log.json';

/** The route of the usage endpoint. */
export const USAGE_ROUTE = '/usage';

/** The routes that are not billed by default: preflight requests of browsers and the usage endpoint. */
export const UNBILLED_ROUTES: readonly string[] = accessLog.unbilledRoutes;

/** An entry such as `/usage`, `GET /usage` or `OPTIONS *`, as the functions parse it. */
const ENTRY = /^(([A-Z]+ )?(\/[^\s,*]*|\$default)|(?!ANY )[A-Z]+ \*)$/;

/** Returns the setting `unbilledRoutes` of the functions. Throws an error for an entry that they cannot parse. */
export function unbilledRoutesSetting(routes: readonly string[]): string {
  for (const route of routes) {
    if (!ENTRY.test(route)) {
      throw new Error(
        `The unbilled route ${JSON.stringify(route)} cannot be parsed: write a route as '/usage', with its method as ` +
          "'GET /usage', or all routes of a method as 'OPTIONS *'.",
      );
    }
  }
  return routes.join(',');
}
