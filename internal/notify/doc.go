// Package notify tells people what happened: a rollout that held, halted or went
// back, and a host that was struck, must reach a person whose screen is off.
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
//
// What can wait is collected for a while and told as one message per patch and
// kind ([Digest]); in quiet times ([Quiet]) it waits for their end. Halts, reverts
// and the fleet-wide stop never wait.
//
// # Alertmanager
//
// An [Alerter] pushes what lasts ([Conditions]) to an Alertmanager: when it begins,
// every minute, and once more when it ends. It rests on the plans as they stand and
// not on the outbox, so nothing is lost or doubled by a restart.
package notify
