/** `npm run check`: types, lint and formatting, and whether the generated documents are current. */
import { docs, lint, runQuietly, types } from "./steps.ts"

const results = await Promise.all([types, lint, docs].map(runQuietly))
process.exit(results.every(Boolean) ? 0 : 1)
