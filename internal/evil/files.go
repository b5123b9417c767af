package evil

import (
	"bytes"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

const timestampFile = "timestamp.json"

// files are attacks with the bytes of artifacts, and with old metadata.
func files() []Strategy {
	return []Strategy{
		{Name: "bytes-of-another-build", Claims: []Claim{Unsigned},
			Does: "serves the module of another kernel build, or of another level, under each artifact's name", Serve: otherBuild},
		{Name: "bytes-with-one-bit-flipped", Claims: []Claim{Unsigned},
			Does: "flips one bit of each artifact where no kernel would mind", Serve: onArtifact(flipped)},
		{Name: "bytes-of-the-thief", Claims: []Claim{Unsigned},
			Does: "serves a module of its own under each artifact's name", Serve: onArtifact(own)},
		{Name: "bytes-with-more-behind-them", Claims: []Claim{Unsigned},
			Does:  "appends to each artifact, which the kernel would not mind",
			Serve: onArtifact(func(data []byte) []byte { return append(bytes.Clone(data), "more"...) })},
		{Name: "metadata-of-last-year", Claims: []Claim{Stale},
			Does:   "serves the oldest catalog that it has for ever, and goes on with every plan",
			Answer: by(listed, start), Serve: oldest},
	}
}

// onArtifact serves every artifact changed and everything else as it is.
func onArtifact(change func([]byte) []byte) func(*Loot, File) []byte {
	return func(_ *Loot, f File) []byte {
		if !isArtifact(f.Name) || len(f.Honest) == 0 {
			return f.Honest
		}
		return change(f.Honest)
	}
}

func isArtifact(name string) bool { return strings.HasSuffix(name, ".ko") }

// flipped changes the case of one letter of what the module says of itself for people.
// Where it says nothing, the last byte changes.
func flipped(data []byte) []byte {
	data = bytes.Clone(data)
	at := len(data) - 1
	for _, field := range []string{"\x00description=", "\x00author=", "\x00srcversion="} {
		if i := bytes.Index(data, []byte(field)); i >= 0 && i+len(field) < len(data) {
			at = i + len(field)
			break
		}
	}
	data[at] ^= 0x20
	return data
}

// own is a module that says of itself what the real one says and has other code.
func own(data []byte) []byte {
	info, err := kmod.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return flipped(data)
	}
	info.SrcVersion = strings.Repeat("F", 24)
	return kmod.Compose(info)
}

// otherBuild serves another artifact that some plan loads.
func otherBuild(l *Loot, f File) []byte {
	if !isArtifact(f.Name) || len(f.Honest) == 0 {
		return f.Honest
	}
	for _, p := range l.Plans {
		for _, lane := range p.Body.Lanes {
			for _, digest := range append([]hotstick.Digest{lane.Artifact}, targets(lane)...) {
				if name := catalog.ArtifactFile(digest); !strings.HasSuffix(name, f.Name) {
					if data := f.Read(name); len(data) > 0 {
						return data
					}
				}
			}
		}
	}
	return f.Honest
}

func targets(lane hotstick.Lane) []hotstick.Digest {
	var list []hotstick.Digest
	for _, r := range lane.RevertTo {
		if r.Artifact != "" {
			list = append(list, r.Artifact)
		}
	}
	return list
}

// oldest serves the first timestamp that there was. What it names is still there.
func oldest(_ *Loot, f File) []byte {
	if f.Name == timestampFile && len(f.Old) > 0 {
		return f.Old[0]
	}
	return f.Honest
}
