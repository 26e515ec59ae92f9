import { describe } from "vitest";
import { testPooledRunner } from "../helpers/pooled-runner.ts";

describe("through a pool of 1", () => testPooledRunner(1));
