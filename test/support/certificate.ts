/** A certificate for `client.example`, signed by itself, and its key: for a server that tests start, and nothing else. */
export const host = "client.example"

export const cert = `-----BEGIN CERTIFICATE-----
MIIBozCCAUqgAwIBAgIUL3SrFcxs1kOqgo6QxtgHf/2pKJswCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOY2xpZW50LmV4YW1wbGUwIBcNMjYxMTI0MjExNjAxWhgPMjEy
NjEwMzEyMTE2MDFaMBkxFzAVBgNVBAMMDmNsaWVudC5leGFtcGxlMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEPvikFqMpoQVHIzBqovdFAJfXc/mlGOBGoXL3XTWQ
RtPuC0jsnI25utr8PQwQCmn7WIDX9uPS//cERYnx9ejQraNuMGwwHQYDVR0OBBYE
FDbc0x+2y4qsQoymLVOxH3eheZ7XMB8GA1UdIwQYMBaAFDbc0x+2y4qsQoymLVOx
H3eheZ7XMA8GA1UdEwEB/wQFMAMBAf8wGQYDVR0RBBIwEIIOY2xpZW50LmV4YW1w
bGUwCgYIKoZIzj0EAwIDRwAwRAIgYFv00D7g0tFtozzYuWIDy3mGxlW10gtMxKSQ
GPZpXgkCID0lfnCw0NxN36WeQmVFk3CglFO5XQP0YTA4cMG3v1nZ
-----END CERTIFICATE-----
`

export const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIxp8moBn0ZGF3AWR
WIrA5V3Ba7AsyNyhvssUsud0y1qhRANCAAQ++KQWoymhBUcjMGqi90UAl9dz+aUY
4EahcvddNZBG0+4LSOycjbm62vw9DBAKaftYgNf249L/9wRFifH16NCt
-----END PRIVATE KEY-----
`
