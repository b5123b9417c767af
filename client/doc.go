// Package client is the public Go client of Hotstick's operator API.
//
// A [Client] speaks JSON over HTTPS with a bearer token and trusts only the
// certificate authority it was given. There is one method for each route, named
// as an operator would; requests and responses are the types of package api.
//
//	c, err := client.New(client.Options{Server: "https://127.0.0.1:8443", Token: token, Authority: pem})
//	over, err := c.Overview(ctx)
//
// # Errors
//
// An answer that is not a success is an [*Error] that holds the server's
// RFC 9457 problem: [errors.As] gives its code, message and hint. A server that
// cannot be reached, or whose certificate is not the expected one, is an
// [*Unreachable]. Anything else (a cancelled context, an answer that is not
// Hotstick's) is an ordinary error.
//
// # Limits
//
// Answers above 64 MiB are refused. Calls end with their context; there is no
// other time limit, for the live stream has none.
package client
