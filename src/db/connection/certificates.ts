import { errorCode } from "../base/problem.ts";

const WRONG_NAME = "ERR_TLS_CERT_ALTNAME_INVALID";
const NOT_TRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
]);

/** What to do about a server's certificate that was refused; undefined for other errors. */
export function certificateRemedy(error: unknown): string | undefined {
  const code = errorCode(error) ?? "";
  if (code === WRONG_NAME) {
    return "Connect by a name that the certificate is for, or use sslmode=verify-ca, which does not check the name.";
  }
  if (NOT_TRUSTED.has(code)) {
    return "Name the authority that signed the server's certificate: sslrootcert=/path/to/ca.pem in the URL, or PGSSLROOTCERT.";
  }
  return code === "CERT_HAS_EXPIRED" ? "Renew the server's certificate." : undefined;
}
