/** A module of its own, so that a bundle gives the parser's names, and it is loaded where there is code. */
export { parse } from "@babel/parser";
