import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"
import { provisionalOwner } from "../../src/cli/taskerCheck/owner.ts"

/**
 * A Tasker that shows a project's members whoever asks, as one does that trusts the gateway. It is the reference
 * Tasker, which asks for a seat, behind a proxy that reads the context for a member.
 */
export const openMembers = (behind: string, member: string) =>
  Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const server = Http.createServer((request, response) => {
        const isContext = request.method === "GET" && request.url?.endsWith("/context") === true
        const { host: _, ...headers } = request.headers
        if (isContext && headers["x-nodedc-owner-id"] === provisionalOwner.id) {
          headers["x-nodedc-owner-id"] = member
        }
        const onward = Http.request(
          new URL(request.url ?? "/", behind),
          { method: request.method ?? "GET", headers },
          (reply) => {
            response.writeHead(reply.statusCode ?? 502, reply.headers)
            reply.pipe(response)
          }
        )
        onward.on("error", () => response.destroy())
        request.pipe(onward)
      }).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))
