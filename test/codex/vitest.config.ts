import { join } from "node:path"
import { defineConfig } from "vitest/config"

/** `npm run e2e:codex`: apart from `npm test`, for it needs a client that is no dependency of the project. */
export default defineConfig({
  test: {
    root: join(import.meta.dirname, "../.."),
    include: ["test/codex/*.test.ts"],
    globalSetup: ["test/codex/setup.ts"],
    reporters: ["test/codex/Lines.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2
  }
})
