import { defineConfig } from "vitest/config"

/** Unit tests need nothing; integration and e2e share one embedded PostgreSQL, each file with a database of its own. */
const project = (name: string, options: object = {}) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options }
})

const withDatabase = { globalSetup: ["test/support/postgres.ts"] }

/** The smokes play a whole story, and a real Tasker may take a second or more for each request. */
const whole = { testTimeout: 120_000 }

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 3,
    projects: [
      project("unit"),
      project("integration", withDatabase),
      project("e2e", { ...withDatabase, ...whole })
    ]
  }
})
