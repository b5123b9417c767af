// Package notify delivers the outbox: a rollout that held, halted or went back,
// and a host that was struck, must reach a person whose screen is off.
//
// # Webhook
//
// Messages are posted as JSON to one URL, signed as the Standard Webhooks
// specification says:
//
//	webhook-id         the message's ID, the same at every try
//	webhook-timestamp  seconds since 1970 of this try
//	webhook-signature  v1, and base64 of HMAC-SHA256(secret, id.timestamp.body)
//
// A receiver checks the signature and the timestamp's age and ignores an ID that
// it has seen. [Verify] does the first two.
//
// # Delivery
//
// Messages are rows in the outbox, written in the transaction of the change that
// they tell of, so none is lost and none tells of what did not happen. Any answer
// of 200 to 299 ends a message. Everything else, redirects included, is tried
// again with growing pauses; after [MaxAttempts] tries the message is given up
// and logged. Delivery is at least once.
package notify
