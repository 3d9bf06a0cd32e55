import accessLog from './generated/access-log.json';

/** The route at which a customer sees its own usage. */
export const USAGE_ROUTE = '/usage';

/** The calls that are not billed where nothing else is said: preflight requests of browsers, and the usage endpoint. */
export const UNBILLED_ROUTES: readonly string[] = accessLog.unbilledRoutes;

/** `/usage`, `GET /usage` or `OPTIONS *`, as the functions read `UNBILLED_ROUTES`. */
const ENTRY = /^(([A-Z]+ )?\/[^\s,]*|[A-Z]+ \*)$/;

/** The value of the variable `UNBILLED_ROUTES`. Throws an error that names an entry that cannot be read. */
export function unbilledRoutesVariable(routes: readonly string[]): string {
  for (const route of routes) {
    if (!ENTRY.test(route)) {
      throw new Error(
        `The unbilled route ${JSON.stringify(route)} cannot be read: write a route as '/usage', with its method as ` +
          "'GET /usage', or all routes of a method as 'OPTIONS *'.",
      );
    }
  }
  return routes.join(',');
}
