package driver

import (
	"context"

	"github.com/hotstick/hotstick"
)

// Settler is a Stepper whose levels last for one boot unless they are settled, so that a
// host on which one goes wrong falls back by itself.
type Settler interface {
	Stepper
	// Settle ends what Apply has begun, once it is judged. Keep makes the recipe's level,
	// which is in effect, what later boots have too; without it what was prepared for the
	// level is put away. In both cases work that was moved off the host may come back.
	// It is called again until it returns nil, and then does nothing.
	Settle(ctx context.Context, recipe hotstick.Recipe, keep bool) error
}

// LevelSettler is a [Changer] in front of Settlers. The load names the level, as it did
// when it was loaded.
type LevelSettler interface {
	// Settle does as [Settler] says; a level that needs none is left alone.
	Settle(ctx context.Context, load Load, keep bool) error
}
