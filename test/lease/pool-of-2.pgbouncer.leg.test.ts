import { describe } from "vitest";
import { testPooledRunner } from "../helpers/pooled-runner.ts";

describe("through a pool of 2", () => testPooledRunner(2));
