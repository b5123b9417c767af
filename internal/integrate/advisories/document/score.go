package document

import (
	"fmt"
	"slices"
	"strings"

	gocvss30 "github.com/pandatix/go-cvss/30"
	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"

	"github.com/hotstick/hotstick"
)

// baseMetrics4 is how many metrics of a CVSS 4.0 vector are the base; they stand first.
const baseMetrics4 = 11

// Score computes the base score of a CVSS vector of version 3.0, 3.1 or 4.0. What a
// document claims as the score is never looked at.
func Score(vector string) (hotstick.Score, error) {
	if len(vector) > 400 {
		return hotstick.Score{}, fmt.Errorf("cannot read a CVSS vector of %d bytes", len(vector))
	}
	s := hotstick.Score{Vector: vector}
	version, _, _ := strings.Cut(strings.TrimPrefix(vector, "CVSS:"), "/")
	var err error
	switch version {
	case "3.0":
		v, bad := gocvss30.ParseVector(vector)
		if err = bad; err == nil {
			s.Base = v.BaseScore()
		}
	case "3.1":
		v, bad := gocvss31.ParseVector(vector)
		if err = bad; err == nil {
			s.Base = v.BaseScore()
		}
	case "4.0":
		s.Base, err = base4(vector)
	default:
		return hotstick.Score{}, fmt.Errorf("cannot read %.40q as a CVSS vector of 3.0, 3.1 or 4.0", vector)
	}
	if err != nil {
		return hotstick.Score{}, fmt.Errorf("cannot read the CVSS vector %.80q: %w", vector, err)
	}
	s.Version = strings.Clone(version)
	return s, nil
}

// base4 leaves threat, environment and supplement out: with them, the same formula gives
// the score of one site at one time.
func base4(vector string) (float64, error) {
	if _, err := gocvss40.ParseVector(vector); err != nil {
		return 0, err
	}
	parts := strings.Split(vector, "/")
	v, err := gocvss40.ParseVector(strings.Join(parts[:min(len(parts), 1+baseMetrics4)], "/"))
	if err != nil {
		return 0, err
	}
	return v.Score(), nil
}

// Scores computes the scores of vectors, each once, the newest version first. CVSS 2 is
// passed over; what cannot be read is left out of the document.
func (d *Document) Scores(cve string, vectors []string) []hotstick.Score {
	var scores []hotstick.Score
	for _, vector := range vectors {
		if vector == "" || slices.ContainsFunc(scores, func(s hotstick.Score) bool { return s.Vector == vector }) {
			continue
		}
		s, err := Score(vector)
		switch {
		case err != nil:
			d.LeaveOut(cve, "", "%v", err)
		case len(scores) == maxScores:
			d.LeaveOut(cve, "", "it has more than %d CVSS vectors", maxScores)
			return scores
		default:
			scores = append(scores, s)
		}
	}
	slices.SortStableFunc(scores, func(a, b hotstick.Score) int { return strings.Compare(b.Version, a.Version) })
	return scores
}
