package server

import (
	"context"
	"slices"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/policy"
)

// knownPolicy reads one of the policies that come with the server.
func knownPolicy(name string) (api.Policy, error) {
	text, err := policy.DefaultText(name)
	if err != nil {
		return api.Policy{}, err
	}
	set, err := policy.Parse(text)
	if err != nil {
		return api.Policy{}, err
	}
	return api.Policy{Name: name, Digest: set.Digest(), Summary: set.Summary(name), Document: string(text)}, nil
}

func (s *Server) policies(context.Context, *empty) (*body[api.PolicyList], error) {
	out := api.PolicyList{Policies: []api.Policy{}}
	for _, name := range policy.Defaults() {
		p, err := knownPolicy(name)
		if err != nil {
			return nil, err
		}
		p.Document = ""
		out.Policies = append(out.Policies, p)
	}
	return answerWith(out), nil
}

type policyInput struct {
	Name string `path:"name" doc:"A policy's name"`
}

func (s *Server) policy(_ context.Context, in *policyInput) (*body[api.Policy], error) {
	if !slices.Contains(policy.Defaults(), in.Name) {
		return nil, &controller.Refusal{Code: controller.CodeNotFound, Text: "cannot find this policy", Hint: "list them with GET /api/v1/policies"}
	}
	out, err := knownPolicy(in.Name)
	return answerWith(out), err
}
