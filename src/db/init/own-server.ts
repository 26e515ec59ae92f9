import { resolveUrl } from "../connection/driver-options.ts";
import type { InitOptions } from "./init-types.ts";

/** The application's role on a server of the project's own. */
const APP_ROLE = "tidemark_app";

/**
 * What to make on a development server of this folder: its superuser migrates and owns everything, the
 * application has a role without rights to change anything, as in production, with the server's password.
 *
 * @param url the superuser's
 */
export function ownServerSetup(
  url: string,
  ledgerSchema: string,
): InitOptions & { readonly appUrl: string } {
  const { user, password, database } = resolveUrl(url).options;
  const app = { name: APP_ROLE, password };
  const appUrl = new URL(url);
  appUrl.username = APP_ROLE;
  return {
    adminUrl: url,
    migrationUrl: url,
    appUrl: appUrl.href,
    database,
    owner: { name: user },
    deployer: undefined,
    app,
    ledgerSchema,
  };
}
