import { defineConfig } from "vitest/config"

/**
 * Unit tests need nothing; the others have an embedded PostgreSQL, each file with a database of its own.
 * `npm test` runs all but `conformance`.
 */
const project = (name: string, options: object = {}) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options }
})

const withDatabase = { globalSetup: ["test/support/postgres.ts"] }

export default defineConfig({
  test: {
    // Ends a test that hangs. A busy machine is no fault of a test, so nothing shorter decides.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // Files of one worker share loaded and compiled modules, which takes a third of the CPU time away.
    isolate: false,
    maxWorkers: 6,
    projects: [
      project("unit"),
      project("integration", withDatabase),
      project("e2e", withDatabase),
      project("conformance", withDatabase)
    ]
  }
})
