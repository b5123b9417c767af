package agentcmd

import "testing"

func TestOnlyWhatTheFileHasIsLetGo(t *testing.T) {
	for line, want := range map[string]uintptr{
		"00400000-008fa000 r-xp 00000000 fe:00 10856512                           /usr/sbin/hotstick-agent": 0x4fa000,
		"008fa000-00e58000 r--p 004fa000 fe:00 10856512                           /usr/sbin/hotstick-agent": 0x55e000,
		"00e58000-00ebe000 rw-p 00a58000 fe:00 10856512                           /usr/sbin/hotstick-agent": 0,
		"7f91aa274000-7f91aa276000 r-xp 00000000 00:00 0                          [vdso]":                   0,
		"00400000-008fa000 r-xp 00000000 fe:00 10856512                           /usr/lib/other":           0,
		"7f9163420000-7f9163700000 rw-p 00000000 00:00 0":                                                   0,
		"x-y r-xp 00000000 fe:00 10856512 /usr/sbin/hotstick-agent":                                         0,
		"": 0,
	} {
		if _, length, ok := constant(line, "/usr/sbin/hotstick-agent"); ok != (want != 0) || ok && length != want {
			t.Errorf("%q: %x, %t", line, length, ok)
		}
	}
}

func TestTheProgramWorksAfterItsCodeWasLetGo(t *testing.T) {
	rest := resting()
	for range calm + 1 {
		rest()
	}
	TestOnlyWhatTheFileHasIsLetGo(t)
}
