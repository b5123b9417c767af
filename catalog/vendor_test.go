package catalog_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
)

// vendorSigned is a level with its vendor's signature beside the artifact.
func (w *world) vendorSigned(level int) hotstick.Patch {
	p := w.patch(level, build61)
	data := []byte("what the vendor signed")
	p.Artifacts[0].VendorSignature = hotstick.VendorSignature{Kind: hotstick.SignaturePGP, Digest: hotstick.NewDigest(data), SizeBytes: int64(len(data)), Signer: "e53a3296"}
	w.data[hotstick.NewDigest(data)] = data
	return p
}

func TestAVendorsSignatureIsServedBesideItsArtifact(t *testing.T) {
	w := newWorld(t)
	p := w.vendorSigned(1)
	signature := p.Artifacts[0].VendorSignature
	targets := w.must(catalog.Publish(w.publication(p), key("publisher")))
	w.mustUpload(p)
	if _, err := w.repo.Accept(targets, w.now); err == nil {
		t.Fatal("the catalog lists a vendor's signature that it does not have")
	}
	if _, err := w.repo.AddArtifact(bytes.NewReader(w.data[signature.Digest])); err != nil {
		t.Fatal(err)
	}
	if _, err := w.repo.Accept(targets, w.now); err != nil {
		t.Fatal(err)
	}
	file, err := w.repo.Open(catalog.ArtifactFile(signature.Digest))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if data, err := io.ReadAll(file); err != nil || !bytes.Equal(data, w.data[signature.Digest]) {
		t.Errorf("it serves %q, %v", data, err)
	}
	// Clients read what the manifest says of it, and load the artifact as ever.
	c := w.mustClient(w.source())
	view := w.mustRefresh(c)
	if got, _ := view.Patch(p.Ref); got.Artifacts[0].VendorSignature != signature {
		t.Errorf("the client sees %+v", got.Artifacts[0].VendorSignature)
	}
	if _, _, listed := view.ByArtifact(signature.Digest); listed {
		t.Error("a vendor's signature can be asked for as an artifact")
	}
}

func TestAnotherVendorsSignatureThanTheManifestsIsNotSigned(t *testing.T) {
	w := newWorld(t)
	for name, edit := range map[string]func(*hotstick.VendorSignature){
		"bytes that are missing":       func(s *hotstick.VendorSignature) { s.Digest = hotstick.NewDigest([]byte("lost")) },
		"a lying length":               func(s *hotstick.VendorSignature) { s.SizeBytes++ },
		"a kind that nobody knows":     func(s *hotstick.VendorSignature) { s.Kind = "seal" },
		"the artifact for a signature": func(s *hotstick.VendorSignature) { s.Digest = w.patch(1, build61).Artifacts[0].Digest },
	} {
		p := w.vendorSigned(1)
		edit(&p.Artifacts[0].VendorSignature)
		if _, err := catalog.Publish(w.publication(p), key("publisher")); err == nil {
			t.Errorf("%s: published", name)
		}
	}
	// An artifact of another level cannot be smuggled in as a signature either.
	w.mustPublish(w.patch(1, build61))
	p := w.vendorSigned(2)
	older := w.patch(1, build61).Artifacts[0]
	p.Artifacts[0].VendorSignature.Digest, p.Artifacts[0].VendorSignature.SizeBytes = older.Digest, older.SizeBytes
	if _, err := catalog.Publish(w.publication(p), key("publisher")); err == nil {
		t.Error("an artifact was published as a signature")
	}
}
