package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hotstick/hotstick/internal/wire"
)

// Body limits in bytes.
const (
	smallBody = 64 << 10
	// documentBody holds a policy, and a signed statement other than a plan.
	documentBody = 1 << 20
	hugeBody     = 96 << 20
	// artifactBody is a little above what an artifact may have, so that one that is
	// too large is told so and not cut.
	artifactBody = 65 << 20
)

// route is one line of the route table: the whole public surface stands there.
type route struct {
	method string
	path   string
	rule   rule
	// summary is for the OpenAPI document; routes without one are not in it.
	summary string
	// body bounds the request's body; 0 means that the route takes none.
	body int64
	// bind registers a route of the operator API.
	bind func(s *Server, api huma.API, op huma.Operation)
	// serve makes the handler of any other route.
	serve func(s *Server) http.Handler
}

// routes returns the table.
func routes() []route {
	return append(cveRoutes(), []route{
		{method: "GET", path: "/api/v1/session", rule: ruleSelf, summary: "Who am I", bind: handle((*Server).session)},
		{method: "POST", path: "/api/v1/session", rule: ruleOpen, body: smallBody, summary: "Sign in to the console", bind: handle((*Server).login)},
		{method: "DELETE", path: "/api/v1/session", rule: ruleSelf, summary: "Sign out of the console", bind: handle((*Server).logout)},
		{method: "POST", path: "/api/v1/session/password", rule: ruleCredentials, body: smallBody, summary: "Set the own password", bind: handle((*Server).setOwnPassword)},

		{method: "GET", path: "/api/v1/tokens", rule: ruleSelf, summary: "API tokens that may be used, one's own or all", bind: handle((*Server).tokens)},
		{method: "POST", path: "/api/v1/tokens", rule: ruleCredentials, body: smallBody, summary: "Make an API token", bind: handle((*Server).makeToken)},
		{method: "POST", path: "/api/v1/tokens/{id}/revoke", rule: ruleCredentials, body: smallBody, summary: "Take an API token back", bind: handle((*Server).revokeToken)},
		{method: "GET", path: "/api/v1/accounts", rule: ruleAudit, summary: "Who may sign in, and with which roles", bind: handle((*Server).accounts)},
		{method: "POST", path: "/api/v1/accounts", rule: ruleAdminister, body: smallBody, summary: "Make an account", bind: handle((*Server).addAccount)},
		{method: "POST", path: "/api/v1/accounts/{person}/disable", rule: ruleAdminister, body: smallBody, summary: "End a person's tokens and sessions", bind: handle((*Server).disableAccount)},
		{method: "POST", path: "/api/v1/accounts/{person}/enable", rule: ruleAdminister, body: smallBody, summary: "Let a person in again", bind: handle((*Server).enableAccount)},
		{method: "POST", path: "/api/v1/accounts/{person}/roles", rule: ruleAdminister, body: smallBody, summary: "Give a person other roles", bind: handle((*Server).setRoles)},
		{method: "POST", path: "/api/v1/accounts/{person}/password", rule: ruleAdminister, body: smallBody, summary: "Set somebody's password", bind: handle((*Server).setPassword)},

		{method: "GET", path: "/api/v1/overview", rule: ruleRead, summary: "The fleet in one page", bind: handle((*Server).overview)},
		{method: "GET", path: "/api/v1/hosts", rule: ruleRead, summary: "List hosts", bind: handle((*Server).hosts)},
		{method: "GET", path: "/api/v1/hosts/{id}", rule: ruleRead, summary: "Everything known of one host", bind: handle((*Server).hostDetail)},
		{method: "GET", path: "/api/v1/hosts/{id}/why", rule: ruleRead, summary: "Why a host is as it is", bind: handle((*Server).why)},
		{method: "POST", path: "/api/v1/hosts/{id}/exclude", rule: ruleSteer, body: smallBody, summary: "Keep a host out of rollouts until a time", bind: handle((*Server).exclude)},
		{method: "POST", path: "/api/v1/hosts/{id}/include", rule: ruleSteer, body: smallBody, summary: "End a host's exclusion", bind: handle((*Server).include)},
		{method: "POST", path: "/api/v1/hosts/{id}/unclone", rule: ruleSteer, body: smallBody, summary: "End the quarantine of a host that was cloned", bind: handle((*Server).unclone)},
		{method: "POST", path: "/api/v1/hosts/{id}/write-off", rule: ruleSteer, body: smallBody, summary: "Give a host up for good and free its slots", bind: handle((*Server).writeOff)},
		{method: "GET", path: "/api/v1/drivers", rule: ruleRead, summary: "What the fleet's hosts say of each driver", bind: handle((*Server).drivers)},
		{method: "GET", path: "/api/v1/crashes", rule: ruleRead, summary: "Levels that are stopped on a kind of machine that crashed", bind: handle((*Server).crashes)},
		{method: "GET", path: "/api/v1/exclusions", rule: ruleRead, summary: "Hosts that are kept out of rollouts", bind: handle((*Server).exclusions)},
		{method: "POST", path: "/api/v1/join-tokens", rule: ruleEnrol, body: smallBody, summary: "Make a join token", bind: handle((*Server).makeJoinToken)},
		{method: "GET", path: "/api/v1/join-tokens", rule: ruleEnrol, summary: "Join tokens that may still be used", bind: handle((*Server).joinTokens)},
		{method: "POST", path: "/api/v1/join-tokens/{id}/revoke", rule: ruleEnrol, body: smallBody, summary: "Take a join token back", bind: handle((*Server).revokeJoinToken)},
		{method: "POST", path: "/api/v1/authority", rule: ruleAdminister, body: smallBody, summary: "Announce the next certificate authority, or put it in the old one's place", bind: handle((*Server).changeAuthority)},
		{method: "GET", path: "/api/v1/events", rule: ruleRead, summary: "The audit log, newest first", bind: handle((*Server).events)},
		{method: "GET", path: "/api/v1/audit/checkpoint", rule: ruleRead, summary: "The audit log's newest signed checkpoint", bind: handle((*Server).auditCheckpoint)},
		{method: "GET", path: "/api/v1/audit/growth", rule: ruleRead, summary: "The proof that the audit log continues an older one", bind: handle((*Server).auditGrowth)},
		{method: "GET", path: "/api/v1/audit/leaves", rule: ruleAudit, summary: "Leaves of the audit log, as it commits to them", bind: handle((*Server).auditLeaves)},
		{method: "GET", path: "/api/v1/audit/leaves/{seq}", rule: ruleAudit, summary: "A leaf with the proof that the audit log has it", bind: handle((*Server).auditLeaf)},
		{method: "GET", path: "/api/v1/stream", rule: ruleRead, summary: "Live changes as server-sent events", bind: handle((*Server).stream)},

		{method: "GET", path: "/api/v1/catalog", rule: ruleRead, summary: "The catalog as the server trusts it", bind: handle((*Server).catalogPage)},
		{method: "GET", path: "/api/v1/catalog/files/{name}", rule: ruleRead, summary: "One signed metadata file", bind: handle((*Server).catalogFile)},
		{method: "PUT", path: "/api/v1/catalog/artifacts/{digest}", rule: rulePublish, body: artifactBody, summary: "Upload an artifact's bytes", bind: handle((*Server).uploadArtifact)},
		{method: "POST", path: "/api/v1/catalog/targets", rule: rulePublish, body: hugeBody, summary: "Publish signed targets metadata", bind: handle((*Server).publish)},
		{method: "POST", path: "/api/v1/catalog/root", rule: rulePublish, body: hugeBody, summary: "Hand in the next signed root", bind: handle((*Server).nextRoot)},
		{method: "GET", path: "/api/v1/patches/{name}/{level}", rule: ruleRead, summary: "One level of a patch", bind: handle((*Server).patch)},
		{method: "POST", path: "/api/v1/patches/{name}/{level}/ban", rule: ruleSteer, body: smallBody, summary: "Forbid a level fleet-wide", bind: handle((*Server).ban)},

		{method: "GET", path: "/api/v1/policies", rule: ruleRead, summary: "Policies that the server knows", bind: handle((*Server).policies)},
		{method: "GET", path: "/api/v1/policies/{name}", rule: ruleRead, summary: "One of the server's policies with its document", bind: handle((*Server).policy)},
		{method: "GET", path: "/api/v1/rollouts", rule: ruleRead, summary: "List rollouts, newest first", bind: handle((*Server).rollouts)},
		{method: "POST", path: "/api/v1/rollouts/draft", rule: ruleSteer, body: documentBody, summary: "Draft a plan to sign", bind: handle((*Server).draft)},
		{method: "POST", path: "/api/v1/rollouts", rule: ruleSteer, body: hugeBody, summary: "Hand in a plan that its author signed", bind: handle((*Server).submit)},
		{method: "GET", path: "/api/v1/rollouts/{plan}", rule: ruleRead, summary: "One rollout with its wave track", bind: handle((*Server).rollout)},
		{method: "GET", path: "/api/v1/rollouts/{plan}/hosts", rule: ruleRead, summary: "A rollout's hosts, page by page", bind: handle((*Server).rolloutHosts)},
		{method: "GET", path: "/api/v1/rollouts/{plan}/uncovered", rule: ruleRead, summary: "Hosts on which nothing closes the CVE of a plan, and why", bind: handle((*Server).uncovered)},
		{method: "GET", path: "/api/v1/rollouts/{plan}/why", rule: ruleRead, summary: "Why a rollout, its waves and its lanes do not move", bind: handle((*Server).rolloutWhy)},
		{method: "POST", path: "/api/v1/rollouts/{plan}/rehearsal", rule: ruleSteer, body: smallBody, summary: "Play a plan on simulated copies of its hosts", bind: handle((*Server).rehearsal)},
		{method: "GET", path: "/api/v1/rollouts/{plan}/bundle", rule: ruleRead, summary: "What an approver checks and signs", bind: handle((*Server).bundle)},
		{method: "POST", path: "/api/v1/rollouts/{plan}/approvals", rule: ruleSign, body: hugeBody, summary: "Add an approver's signature", bind: handle((*Server).approve)},
		{method: "POST", path: "/api/v1/rollouts/{plan}/start", rule: ruleSteer, body: smallBody, summary: "Start an approved rollout", bind: handle((*Server).start)},
		{method: "POST", path: "/api/v1/rollouts/{plan}/hold", rule: ruleSteer, body: smallBody, summary: "Start nothing more until resumed", bind: handle((*Server).hold)},
		{method: "POST", path: "/api/v1/rollouts/{plan}/resume", rule: ruleSteer, body: smallBody, summary: "Let a held rollout go on", bind: handle((*Server).resume)},
		{method: "POST", path: "/api/v1/rollouts/{plan}/halt", rule: ruleSteer, body: smallBody, summary: "Start nothing more, for good", bind: handle((*Server).halt)},
		{method: "POST", path: "/api/v1/rollouts/{plan}/revert", rule: ruleSteer, body: smallBody, summary: "Send hosts back to the level before", bind: handle((*Server).revert)},
		{method: "POST", path: "/api/v1/rollouts/{plan}/next-wave", rule: ruleSteer, body: smallBody, summary: "Open the next wave that waits for an operator", bind: handle((*Server).nextWave)},
		{method: "POST", path: "/api/v1/rollouts/{plan}/retry", rule: ruleSteer, body: smallBody, summary: "Give hosts a new attempt", bind: handle((*Server).retry)},
		{method: "POST", path: "/api/v1/rollouts/{plan}/dismiss", rule: ruleSteer, body: smallBody, summary: "Let go of a host that ended badly", bind: handle((*Server).dismiss)},
		{method: "GET", path: "/api/v1/feeds", rule: ruleRead, summary: "Where advisories are read, and how that went", bind: handle((*Server).feeds)},
		{method: "POST", path: "/api/v1/feeds", rule: ruleAdminister, body: smallBody, summary: "Name a feed of advisories, or say something else of it", bind: handle((*Server).putFeed)},
		{method: "GET", path: "/api/v1/feeds/{name}", rule: ruleRead, summary: "A feed of advisories, and what of it could not be read", bind: handle((*Server).feedDetail)},
		{method: "POST", path: "/api/v1/feeds/{name}/remove", rule: ruleAdminister, body: smallBody, summary: "Take a feed out, with all that it said", bind: handle((*Server).removeFeed)},
		{method: "GET", path: "/api/v1/freezes", rule: ruleRead, summary: "Change freezes that hold or are to come", bind: handle((*Server).freezes)},
		{method: "POST", path: "/api/v1/freezes", rule: ruleSteer, body: smallBody, summary: "Let nothing start for a time", bind: handle((*Server).freeze)},
		{method: "POST", path: "/api/v1/freezes/{id}/remove", rule: ruleSteer, body: smallBody, summary: "Take a freeze back", bind: handle((*Server).unfreeze)},
		{method: "POST", path: "/api/v1/clears", rule: ruleSign, body: documentBody, summary: "Hand in a signed clear", bind: handle((*Server).clear)},
		{method: "POST", path: "/api/v1/evidence", rule: rulePublish, body: documentBody, summary: "Hand in signed evidence about an artifact", bind: handle((*Server).evidence)},
		{method: "GET", path: "/api/v1/downgrades", rule: ruleRead, summary: "Signed downgrades that hold", bind: handle((*Server).downgrades)},
		{method: "POST", path: "/api/v1/downgrades", rule: ruleSign, body: documentBody, summary: "Hand in a signed downgrade", bind: handle((*Server).downgrade)},
		{method: "GET", path: "/api/v1/waivers", rule: ruleRead, summary: "Signed waivers that were handed in", bind: handle((*Server).waivers)},
		{method: "POST", path: "/api/v1/waivers", rule: ruleSign, body: documentBody, summary: "Hand in a signed waiver", bind: handle((*Server).waiver)},
		{method: "POST", path: "/api/v1/reconcile", rule: ruleAdminister, body: smallBody, summary: "Allow starts again after the database was put back", bind: handle((*Server).reconcile)},
		{method: "POST", path: "/api/v1/stop", rule: ruleSteer, body: smallBody, summary: "Stop everything, or lift the stop", bind: handle((*Server).stop)},

		{method: "GET", path: "/version", rule: ruleOpen, summary: "Which server this is", bind: handle((*Server).version)},
		{method: "GET", path: "/healthz", rule: ruleOpen, serve: (*Server).healthz},
		{method: "GET", path: "/readyz", rule: ruleOpen, serve: (*Server).readyz},
		{method: "GET", path: "/metrics", rule: ruleRead, serve: (*Server).metricsPage},
		{method: "GET", path: "/openapi.json", rule: ruleOpen, serve: (*Server).openAPI},

		{method: "POST", path: "/agent/v1/enroll", rule: ruleOpen, body: wire.MaxEnrollBytes, serve: (*Server).enroll},
		{method: "POST", path: "/agent/v1/sync", rule: ruleHost, body: wire.MaxRequestBytes, serve: (*Server).sync},
		{method: "POST", path: "/agent/v1/renew", rule: ruleLapsed, body: wire.MaxEnrollBytes, serve: (*Server).renew},
		{method: "GET", path: "/agent/v1/authority", rule: ruleOpen, serve: (*Server).agentAuthority},
		{method: "GET", path: "/agent/v1/roots/{file}", rule: ruleLapsed, serve: (*Server).agentRoot},
		{method: "GET", path: "/agent/v1/catalog/{file}", rule: ruleHost, serve: (*Server).agentCatalog},
		{method: "GET", path: "/agent/v1/catalog/targets/{file}", rule: ruleHost, serve: (*Server).agentArtifact},

		{method: "GET", path: "/", rule: ruleOpen, serve: (*Server).console},
	}...)
}

// cveRoutes are the part of the table about CVEs.
func cveRoutes() []route {
	return []route{
		{method: "GET", path: "/api/v1/hosts/{id}/cves", rule: ruleRead, summary: "How a host stands with each CVE, what is open first", bind: handle((*Server).hostCVEs)},
		{method: "GET", path: "/api/v1/hosts/{id}/cves/{cve}", rule: ruleRead, summary: "Where a host stands with a CVE, why, and by whose word", bind: handle((*Server).exposure)},
		{method: "GET", path: "/api/v1/cves", rule: ruleRead, summary: "How the fleet stands with each CVE, the most urgent first", bind: handle((*Server).cves)},
		{method: "GET", path: "/api/v1/cves/{cve}", rule: ruleRead, summary: "A CVE, who is open to it, and what sources say", bind: handle((*Server).cve)},
		{method: "GET", path: "/api/v1/cves/{cve}/hosts", rule: ruleRead, summary: "Hosts by where they stand with a CVE", bind: handle((*Server).cveHosts)},
	}
}

// handle makes the binding of one operator route: it registers fn and turns its
// errors into problems.
func handle[I, O any](fn func(*Server, context.Context, *I) (*O, error)) func(*Server, huma.API, huma.Operation) {
	return func(s *Server, api huma.API, op huma.Operation) {
		huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := fn(s, ctx, in)
			if err != nil {
				return nil, asProblem(err, s.log)
			}
			return out, nil
		})
	}
}

// operation describes a route to huma and to the OpenAPI document.
func (r route) operation(t times) huma.Operation {
	return huma.Operation{
		OperationID:     operationID(r),
		Method:          r.method,
		Path:            r.path,
		Summary:         r.summary,
		Metadata:        map[string]any{ruleKey: r.rule},
		MaxBodyBytes:    max(r.body, 1),
		BodyReadTimeout: t.reading(r.body),
		// Bodies are read by the strict decoder, which refuses more than a schema can.
		SkipValidateBody: true,
		Security:         security(r.rule),
	}
}

func security(need rule) []map[string][]string {
	if need == ruleOpen {
		return nil
	}
	return []map[string][]string{{"token": {}}, {"console": {}}}
}
