package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/store"
)

// maxMetadata bounds a metadata file that is served whole.
const maxMetadata = 64 << 20

func (s *Server) catalogPage(ctx context.Context, _ *empty) (*body[api.Catalog], error) {
	var out api.Catalog
	err := s.store.View(ctx, func(tx store.Tx) error {
		m, err := s.moment(tx)
		if err != nil {
			return err
		}
		fleet, bans, err := s.fleetAndBans(tx, m)
		if err != nil {
			return err
		}
		signed, err := s.signed()
		if err != nil {
			return err
		}
		out = m.Catalog(fleet, bans, signed)
		return nil
	})
	return answerWith(out), err
}

func (s *Server) fleetAndBans(tx store.Tx, m view.Moment) (view.Census, []store.Ban, error) {
	fleet, err := s.census(tx, m)
	if err != nil {
		return fleet, nil, err
	}
	bans, err := tx.Bans().List()
	return fleet, bans, err
}

type fileInput struct {
	Name string `path:"name" doc:"A metadata file; root.json and targets.json are the newest"`
}

type rawOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *Server) catalogFile(_ context.Context, in *fileInput) (*rawOutput, error) {
	out := &rawOutput{ContentType: "application/json"}
	switch in.Name {
	case "root.json":
		out.Body = s.catalog.Root()
		return out, nil
	case "targets.json":
		out.Body = s.catalog.Targets()
		return out, nil
	}
	file, err := s.catalog.Open(in.Name)
	if err != nil {
		return nil, s.fileProblem(err)
	}
	defer file.Close()
	out.Body, err = io.ReadAll(io.LimitReader(file, maxMetadata))
	return out, err
}

func (s *Server) fileProblem(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return newProblem(http.StatusNotFound, controller.CodeNotFound, "cannot find this file in the catalog", "")
	}
	return err
}

type artifactInput struct {
	Digest  string `path:"digest" doc:"sha256: and 64 hexadecimal digits"`
	RawBody []byte `contentType:"application/octet-stream"`
}

// uploadArtifact takes an artifact's bytes. They can be loaded nowhere until
// signed metadata lists them.
func (s *Server) uploadArtifact(ctx context.Context, in *artifactInput) (*empty, error) {
	want := hotstick.Digest(in.Digest)
	switch {
	case want.Validate() != nil:
		return nil, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot use this digest", "want sha256: and 64 hexadecimal digits")
	case len(in.RawBody) > hotstick.MaxArtifactBytes:
		return nil, newProblem(http.StatusRequestEntityTooLarge, codeTooLarge, "cannot take this artifact: it is larger than 64 MiB", "")
	case hotstick.NewDigest(in.RawBody) != want:
		return nil, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot take this artifact: its bytes have another digest", "it was cut or changed on the way; send it again")
	}
	if _, err := s.catalog.AddArtifact(bytes.NewReader(in.RawBody)); err != nil {
		return nil, s.catalogProblem(err)
	}
	return &empty{}, s.controller.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Events().Append(store.Event{Kind: inventory.ArtifactUploaded, Actor: string(callerOf(ctx).Person),
			Evidence: []hotstick.Evidence{{Kind: "artifact", Text: string(want)}}})
		return err
	})
}

type publishInput struct{ Body api.PublishRequest }

func (s *Server) publish(ctx context.Context, in *publishInput) (*body[api.Catalog], error) {
	targets, delegated := in.Body.Targets, []catalog.Delegated(nil)
	for _, name := range slices.Sorted(maps.Keys(in.Body.Delegated)) {
		delegated = append(delegated, catalog.Delegated{Name: name, Metadata: in.Body.Delegated[name]})
	}
	if len(targets) == 0 {
		if len(delegated) == 0 {
			return nil, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot publish nothing", "give targets or delegated")
		}
		targets = s.catalog.Targets()
	}
	_, err := s.catalog.Accept(targets, s.now(), delegated...)
	return s.catalogTaken(ctx, err)
}

type rootInput struct{ Body api.RootRequest }

func (s *Server) nextRoot(ctx context.Context, in *rootInput) (*body[api.Catalog], error) {
	_, err := s.catalog.AcceptRoot(in.Body.Root, in.Body.Targets, s.now())
	return s.catalogTaken(ctx, err)
}

// catalogTaken ends a change of the catalog: either the repository refused it, or
// the audit log tells of it and the caller sees the result.
func (s *Server) catalogTaken(ctx context.Context, err error) (*body[api.Catalog], error) {
	if err != nil {
		return nil, s.catalogProblem(err)
	}
	if err := s.tellOfCatalog(ctx, string(callerOf(ctx).Person)); err != nil {
		return nil, err
	}
	return s.catalogPage(ctx, nil)
}

// catalogProblem tells publishers why the catalog refused what they sent: these
// errors are about their documents and name no secret.
func (s *Server) catalogProblem(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, catalog.ErrExpired):
		return newProblem(http.StatusUnprocessableEntity, "catalog_expired", err.Error(), "sign it anew with a later end")
	case errors.Is(err, catalog.ErrRefused):
		return newProblem(http.StatusUnprocessableEntity, controller.CodeRefused, err.Error(), "fetch the newest metadata, extend that, and have enough of its keys sign it")
	}
	return err
}

// PatchPath is the patch level in a route's path.
type PatchPath struct {
	Name  string `path:"name"`
	Level int    `path:"level"`
}

func (in PatchPath) ref() hotstick.PatchRef {
	return hotstick.PatchRef{Name: in.Name, Level: in.Level}
}

func (s *Server) patch(ctx context.Context, in *PatchPath) (*body[api.Patch], error) {
	var out api.Patch
	err := s.store.View(ctx, func(tx store.Tx) error {
		m, err := s.moment(tx)
		if err != nil {
			return err
		}
		p, ok := m.Trusted.Patch(in.ref())
		if !ok {
			return newProblem(http.StatusNotFound, controller.CodeNotFound, "cannot find this patch in the catalog", "list them with hotstick patch list")
		}
		fleet, bans, err := s.fleetAndBans(tx, m)
		if err != nil {
			return err
		}
		signed, err := s.signed()
		if err != nil {
			return err
		}
		out = m.Patch(p, fleet, bans, signed.By)
		evidence, err := controller.PatchEvidence(tx, m.Trusted.Trust, p)
		out.Evidence, out.Proven = evidenceShown(evidence), controller.Proven(evidence, p)
		return err
	})
	if err == nil {
		out.Recipes, err = s.recipes(out.Patch)
	}
	return answerWith(out), err
}

// recipes reads a patch's artifacts where they are recipes.
func (s *Server) recipes(p hotstick.Patch) ([]hotstick.Recipe, error) {
	if class := hotstick.ClassOf(p.Driver); class != hotstick.TrustPin && class != hotstick.TrustStep {
		return nil, nil
	}
	var out []hotstick.Recipe
	for _, a := range p.Artifacts {
		file, err := s.catalog.Open(catalog.ArtifactFile(a.Digest))
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(io.LimitReader(file, hotstick.MaxRecipeBytes+1))
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
		if hotstick.NewDigest(data) != a.Digest {
			return nil, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot show this recipe: its bytes are damaged", "publish it again")
		}
		r, err := hotstick.ReadRecipe(data)
		if err != nil {
			return nil, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, err.Error(), "recall the level and publish another")
		}
		out = append(out, r)
	}
	return out, nil
}

type banInput struct {
	PatchPath
	Body api.BanRequest
}

func (s *Server) ban(ctx context.Context, in *banInput) (*body[api.Ban], error) {
	if err := s.controller.Ban(ctx, in.ref(), callerOf(ctx).Person, in.Body.Reason); err != nil {
		return nil, err
	}
	return s.patchBan(ctx, in.ref())
}

func (s *Server) patchBan(ctx context.Context, ref hotstick.PatchRef) (*body[api.Ban], error) {
	var out api.Ban
	err := s.store.View(ctx, func(tx store.Tx) error {
		b, err := tx.Bans().Get(ref)
		if err == nil {
			out = view.Bans([]store.Ban{b})[0]
		}
		return err
	})
	return answerWith(out), err
}

// signed reads from the newest offline-signed metadata who signed the patches and
// when the first of these signatures ends.
func (s *Server) signed() (view.Signed, error) {
	var root, targets struct {
		Signed struct {
			Expires time.Time `json:"expires"`
		} `json:"signed"`
		Signatures []struct {
			KeyID string `json:"keyid"`
		} `json:"signatures"`
	}
	// The repository has verified both; this only reads.
	if err := json.Unmarshal(s.catalog.Root(), &root); err != nil {
		return view.Signed{}, fmt.Errorf("cannot read the root: %v", err)
	}
	if err := json.Unmarshal(s.catalog.Targets(), &targets); err != nil {
		return view.Signed{}, fmt.Errorf("cannot read the targets: %v", err)
	}
	out := view.Signed{Expires: targets.Signed.Expires}
	if root.Signed.Expires.Before(out.Expires) {
		out.Expires = root.Signed.Expires
	}
	for _, sig := range targets.Signatures {
		out.By = append(out.By, sig.KeyID)
	}
	return out, nil
}
