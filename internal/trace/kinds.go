package trace

// Kinds returns every kind of the schema, in the order of its description.
func Kinds() []Kind {
	return []Kind{
		KindBegin, KindFault,
		KindPlan, KindPlanStatus, KindHostState, KindGate, KindGrant, KindSlot, KindBan, KindClear, KindCrashStop, KindStopAll, KindShown, KindWriteOff, KindLeaf,
		KindBoot, KindDown, KindSeen, KindIntent, KindLoad, KindPhase, KindKernel, KindDisable, KindUnload, KindForce, KindStep, KindTouch, KindStrike, KindLearned, KindRefused,
	}
}
