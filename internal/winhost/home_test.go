package winhost

import (
	"strings"
	"testing"
)

func TestAttacksOnTheServicesDirectory(t *testing.T) {
	const users, thief, self = "S-1-5-32-545", "S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-500"
	closed := func() access {
		return access{directory: true, owner: sidAdministrators, list: []entry{{sid: sidSystem, rights: 0x1f01ff, allows: true}, {sid: sidAdministrators, rights: 0x1f01ff, allows: true}}}
	}
	for _, c := range []struct {
		what string
		edit func(*access)
		want string
	}{
		{"as it was made", func(*access) {}, ""},
		{"of the system", func(a *access) { a.owner = sidSystem }, ""},
		{"of the administrator who asks", func(a *access) { a.owner = self }, ""},
		{"that users may read", func(a *access) { a.list = append(a.list, entry{users, 0x1200a9, true, false}) }, ""},
		{"whose files belong to whoever makes them", func(a *access) { a.list = append(a.list, entry{sidCreator, 0x10000000, true, false}) }, ""},
		{"that a user has made before", func(a *access) { a.owner = thief }, "belongs to " + thief},
		{"that leads to another place", func(a *access) { a.link = true }, "leads to another place"},
		{"that is a file", func(a *access) { a.directory = false }, "no directory"},
		{"without any list", func(a *access) { a.open, a.list = true, nil }, "everybody"},
		{"in which users may make files", func(a *access) { a.list = append(a.list, entry{users, 0x2, true, false}) }, users + " may change"},
		{"in which users may make directories", func(a *access) { a.list = append(a.list, entry{users, 0x4, true, false}) }, users + " may change"},
		{"whose files users may delete", func(a *access) { a.list = append(a.list, entry{users, 0x40, true, false}) }, users + " may change"},
		{"whose rights a user may change", func(a *access) { a.list = append(a.list, entry{thief, 0x40000, true, false}) }, thief + " may change"},
		{"whose owner a user may become", func(a *access) { a.list = append(a.list, entry{thief, 0x80000, true, false}) }, thief + " may change"},
		{"with everything for everybody", func(a *access) { a.list = append(a.list, entry{"S-1-1-0", 0x10000000, true, false}) }, "S-1-1-0 may change"},
		{"with a right that is tied to a condition", func(a *access) { a.list = append(a.list, entry{sid: users, rights: 1}) }, "unknown kind"},
		{"that is denied to users", func(a *access) { a.list = append(a.list, entry{users, 0x1f01ff, false, true}) }, ""},
	} {
		a := closed()
		c.edit(&a)
		err := a.judge(self)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("one %s: %v, want %q", c.what, err, c.want)
		}
	}
	if err := (access{directory: true, owner: self}).judge(thief); err == nil {
		t.Error("one of another administrator's account is used by the service")
	}
}
