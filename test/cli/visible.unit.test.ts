import { expect, test } from "vitest";
import { visible } from "../../src/cli/support/visible.ts";

test.each([
  ["text\tand\nlines", "text\tand\nlines"],
  ["größer → 漢字 👍", "größer → 漢字 👍"],
  ["\u001b[2Jcleared", "\\u001b[2Jcleared"],
  ["\u001b]0;title\u0007", "\\u001b]0;title\\u0007"],
  ["\u009b2J", "\\u009b2J"],
  ["a\rb", "a\\u000db"],
  ["a\r\nb", "a\nb"],
  ["user\u202etxt.exe", "user\\u202etxt.exe"],
  ["\u001b[8mhidden", "\\u001b[8mhidden"],
])("%j is shown as %j", (text, shown) => {
  expect(visible(text, true)).toBe(shown);
  expect(visible(text, false)).toBe(shown);
});

test("our own colours stay where there are any, and are shown as their code elsewhere", () => {
  const painted = "\u001b[31merror\u001b[39m";
  expect(visible(painted, true)).toBe(painted);
  expect(visible(painted, false)).toBe("\\u001b[31merror\\u001b[39m");
});
