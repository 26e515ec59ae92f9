import { createHash } from "node:crypto";
import { html, raw } from "hono/html";

const STYLE = `
:root { color-scheme: light dark; --page: #fff; --text: #1f2328; --quiet: #59636e; --line: #d1d9e0;
  --good: #1a7f37; --bad: #cf222e; --busy: #9a6700; --link: #0969da; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --text: #e6edf3; --quiet: #9198a1;
  --line: #3d444d; --good: #3fb950; --bad: #f85149; --busy: #d29922; --link: #4493f8; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem;
  background: var(--page); color: var(--text); }
header { border-bottom: 1px solid var(--line); padding-bottom: 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; } a { color: var(--link); }
.state { margin: .25rem 0 0; font-weight: 600; overflow-wrap: anywhere; }
.good { color: var(--good); } .bad { color: var(--bad); } .busy { color: var(--busy); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem 1rem .35rem 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; vertical-align: top; }
th { font-size: .875rem; font-weight: 600; color: var(--quiet); }
td.text { white-space: normal; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid currentColor; border-radius: .4rem; }
footer { margin-top: 2rem; font-size: .875rem; color: var(--quiet); }`;

// Without one the browser asks for /favicon.ico, which is not there.
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Cpath d='M0 3q2-2 4 0t4 0v5H0z' fill='%230969da'/%3E%3C/svg%3E";

/** For the Content-Security-Policy: the one style that a page may have. */
export const STYLE_HASH = `sha256-${createHash("sha256").update(STYLE).digest("base64")}`;

export type Tone = "good" | "bad" | "busy";

/** A part of a page, escaped. */
export type Markup = ReturnType<typeof html>;

interface Layout {
  readonly headline: { readonly text: string; readonly tone: Tone };
  /** Whether it soon changes by itself. */
  readonly refreshes: boolean;
  readonly main: Markup | "";
  readonly footer: Markup;
}

/** A whole page around what it shows. */
export function layOut({ headline: { text, tone }, refreshes, main, footer }: Layout): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        ${refreshes ? html`<meta http-equiv="refresh" content="2" />` : ""}
        <title>Tidemark: ${text}</title>
        <link rel="icon" href="${ICON}" />
        <style>${raw(STYLE)}</style>
      </head>
      <body>
        <header>
          <h1>Tidemark</h1>
          <p class="state ${tone}" role="status">${text}</p>
        </header>
        ${main}
        <footer>${footer}</footer>
      </body>
    </html>`;
}
