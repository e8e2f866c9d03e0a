/**
 * A gateway as `src/main.ts` puts it together, but with the fault that TORTURE_SABOTAGE names in its services, and
 * with leases of TORTURE_LEASE_MS milliseconds.
 */
import { Duration, Effect, Layer } from "effect"
import { Settings } from "../../../src/Config.ts"
import { margin } from "../../../src/layers/calls/leases.ts"
import { run, services } from "../../../src/main.ts"
import { faults } from "./faults.ts"
import { isSabotage } from "./Sabotages.ts"

const { TORTURE_LEASE_MS: lease, TORTURE_SABOTAGE: name } = process.env
if (name !== undefined && !isSabotage(name)) throw new Error(`There is no sabotage called ${name}`)

/**
 * Shortens the lease, which is no fault: calls outlast it, so that keys change hands all the time. The promise
 * rests on the fence, and not on a lease's length. Nothing else that these services do goes by the longest call.
 */
const withLease = (milliseconds: number) =>
  Layer.effect(
    Settings,
    Effect.map(Settings, (settings) =>
      Settings.of({ ...settings, callDeadline: Duration.subtract(Duration.millis(milliseconds), margin) })
    )
  )

const leased = lease === undefined ? services : Layer.provide(services, withLease(Number(lease)))
const provided = name === undefined ? leased : Layer.provideMerge(faults[name], leased)

run(provided)
