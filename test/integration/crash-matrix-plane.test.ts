import { crashTests } from "../support/crashes.ts"
import { writeRows } from "../support/writes.ts"

/**
 * The two writes that Plane's adapter finds again in its own way, by external id. A change is settled as before the
 * reference Tasker. `npm run torture:crash -- --tasker plane` has all six.
 */
const found = new Set(["tasker_create_issue", "tasker_add_comment"])

crashTests({
  kind: "plane",
  before: "the reference Plane",
  rows: writeRows.filter(({ tool }) => found.has(tool)),
  exchanges: {
    "the first call": ["plan: read projects", "plan: read workspace members", "plan: read project members"],
    "settling a write that was not sent": [
      "settle: read projects",
      "settle: read workspace members",
      "settle: read project members"
    ],
    "settling a write that was done": ["settle: read projects"]
  }
})
