package conffile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick/internal/driver/conffile"
)

const uptrack = "[Auth]\naccesskey = secret\n\n[Settings]\n# Install at boot.\ninstall_on_reboot = yes\n\n#upgrade_on_reboot = yes\nautoinstall: yes\n\n[User]\nautoinstall = maybe\n"

func parse(t *testing.T, text string) *conffile.File {
	t.Helper()
	f, err := conffile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAValueIsReadInItsSection(t *testing.T) {
	for _, row := range []struct{ text, section, key, want string }{
		{uptrack, "Settings", "autoinstall", "yes"},
		{uptrack, "Settings", "AutoInstall", "yes"},
		{uptrack, "User", "autoinstall", "maybe"},
		{uptrack, "Settings", "upgrade_on_reboot", ""},
		{uptrack, "", "accesskey", ""},
		{"A=1\nA = 2\n", "", "A", "2"},
		{"PATCH_SERVER=http://10.1.10.115/", "", "PATCH_SERVER", "http://10.1.10.115/"},
		{"A=1\n B=2\n", "", "B", ""},
	} {
		got, ok := parse(t, row.text).Get(row.section, row.key)
		if got != row.want || ok != (row.want != "") {
			t.Errorf("[%s] %s of %q is %q, %v; want %q", row.section, row.key, row.text, got, ok, row.want)
		}
	}
}

func TestAnEditChangesNothingElse(t *testing.T) {
	f := parse(t, uptrack)
	f.Set("Settings", "autoinstall", " = ", "no")
	f.Set("Settings", "upgrade_on_reboot", " = ", "no")
	f.Remove("Settings", "install_on_reboot")
	want := "[Auth]\naccesskey = secret\n\n[Settings]\n# Install at boot.\n\n#upgrade_on_reboot = yes\nautoinstall = no\nupgrade_on_reboot = no\n\n[User]\nautoinstall = maybe\n"
	if got := string(f.Bytes()); got != want {
		t.Errorf("it is now\n%s\nwant\n%s", got, want)
	}
}

// texts are files that a person may have written.
var texts = []string{"", "\n", "AUTO_UPDATE=True", "AUTO_UPDATE=True\n", "\n\n# nothing\n\n", uptrack, "A=1\nAUTO_UPDATE = yes  \nB=2\nauto_update=no\n", "[Settings]", "[Settings]\n\n\n",
	"autoinstall = yes\n[Other]\nx=1", "\r\nAUTO_UPDATE=True\r\n", "junk\n[broken\nautoinstall", "[Settings]\n\nAutoinstAll:"}

func TestWhatWasSavedComesBackToTheLastByte(t *testing.T) {
	for _, text := range texts {
		for _, section := range []string{"", "Settings"} {
			f := parse(t, text)
			saved := f.Save(section, "autoinstall", "AUTO_UPDATE", "extra")
			f.Set(section, "autoinstall", " = ", "no")
			f.Set(section, "AUTO_UPDATE", "=", "False")
			f.Set(section, "extra", "=", "1")
			if value, _ := f.Get(section, "extra"); value != "1" {
				t.Errorf("%q: it was not set", text)
			}
			f.Restore(saved)
			if got := string(f.Bytes()); got != text {
				t.Errorf("in [%s] of %q came back %q", section, text, got)
			}
		}
	}
}

func TestWhatWasTakenOutComesBackWhereItWas(t *testing.T) {
	for _, text := range texts {
		f := parse(t, text+"\nSTICKY_PATCH=010124\n# between\nUPDATE_DELAY = 48h\nPREFIX=48h\n[Other]\nUPDATE_DELAY=1h")
		in := "" // the section in which the lines above are
		for _, name := range []string{"Settings", "Auth", "User", "Other"} {
			if _, ok := f.Get(name, "PREFIX"); ok {
				in = name
			}
		}
		whole := string(f.Bytes())
		saved := f.Save(in, "STICKY_PATCH", "STICKY_PATCHSET", "UPDATE_DELAY", "AUTO_UPDATE")
		f.Remove(in, "STICKY_PATCH")
		f.Remove(in, "UPDATE_DELAY")
		f.Remove(in, "AUTO_UPDATE")
		f.Set(in, "STICKY_PATCHSET", "=", "K20240101_01")
		f.Restore(saved)
		if got := string(f.Bytes()); got != whole {
			t.Errorf("%q came back as %q", whole, got)
		}
	}
}

func TestWhatSomebodyWroteMeanwhileStays(t *testing.T) {
	f := parse(t, "AUTO_UPDATE=True\n")
	saved := f.Save("", "AUTO_UPDATE")
	later := parse(t, "# mine\nAUTO_UPDATE=False\nPATCH_SERVER=http://new/\n")
	later.Restore(saved)
	if got := string(later.Bytes()); got != "# mine\nAUTO_UPDATE=True\nPATCH_SERVER=http://new/\n" {
		t.Errorf("it is now %q", got)
	}
	_ = f
}

func TestAFileIsReplacedWithItsMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "uptrack.conf")
	if err := os.WriteFile(path, []byte(uptrack), 0o640); err != nil {
		t.Fatal(err)
	}
	f, err := conffile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Set("Settings", "autoinstall", " = ", "no")
	if err := f.Write(path); err != nil {
		t.Fatal(err)
	}
	again, err := conffile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if value, _ := again.Get("Settings", "autoinstall"); value != "no" {
		t.Errorf("the file says %q", value)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("its mode is %v (%v)", info.Mode(), err)
	}
}

func TestAFileThatWasNotThereIsNotThereAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kcare.conf")
	f, err := conffile.Read(path)
	if err != nil || !f.IsAbsent() {
		t.Fatalf("%+v, %v", f, err)
	}
	saved := f.Save("", "AUTO_UPDATE")
	f.Set("", "AUTO_UPDATE", "=", "False")
	if err := f.Write(path); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "AUTO_UPDATE=False\n" {
		t.Fatalf("it is %q, %v", data, err)
	}
	if f, err = conffile.Read(path); err != nil {
		t.Fatal(err)
	}
	f.Restore(saved)
	if err := f.Write(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("it is there: %v", err)
	}
}

func TestALinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	target, path := filepath.Join(dir, "shadow"), filepath.Join(dir, "kcare.conf")
	if err := os.WriteFile(target, []byte("A=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	if _, err := conffile.Read(path); err == nil {
		t.Error("it was read through the link")
	}
	if err := parse(t, "A=2\n").Write(path); err == nil {
		t.Error("the link was replaced")
	}
}

func TestWhatWasNotSavedIsNotPutBack(t *testing.T) {
	good := parse(t, uptrack).Save("Settings", "autoinstall")
	if err := good.Check("Settings", "autoinstall"); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]conffile.Saved{
		"another section":  {Section: "Auth", Keys: good.Keys},
		"another key":      {Section: "Settings", Keys: []conffile.Key{{Name: "accesskey"}}},
		"more keys":        {Section: "Settings", Keys: append(good.Keys, good.Keys...)},
		"another line":     {Section: "Settings", Keys: []conffile.Key{{Name: "autoinstall", Lines: []conffile.Line{{Text: "update_repo_url = http://evil/"}}}}},
		"two lines in one": {Section: "Settings", Keys: []conffile.Key{{Name: "autoinstall", Lines: []conffile.Line{{Text: "autoinstall = no\n[Auth]"}}}}},
	} {
		if err := bad.Check("Settings", "autoinstall"); err == nil {
			t.Errorf("%s is put back", name)
		}
	}
}

func TestWhatIsTooMuchIsRefused(t *testing.T) {
	for _, text := range []string{strings.Repeat("a", conffile.MaxBytes+1), "A=1\x00\n"} {
		if _, err := conffile.Parse([]byte(text)); err == nil {
			t.Errorf("%d bytes were taken", len(text))
		}
		if _, err := conffile.ReadFS(fstest.MapFS{"c": {Data: []byte(text)}}, "c"); err == nil {
			t.Errorf("%d bytes were taken from a disk", len(text))
		}
	}
}

func FuzzWhatWasSavedComesBack(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := conffile.Parse([]byte(text))
		if err != nil {
			return
		}
		saved := c.Save("Settings", "autoinstall", "other")
		c.Set("Settings", "autoinstall", " = ", "no")
		if value, _ := c.Get("Settings", "autoinstall"); value != "no" {
			t.Fatalf("%q: it is %q after it was set", text, value)
		}
		c.Remove("Settings", "autoinstall")
		c.Set("Settings", "other", " = ", "1")
		c.Restore(saved)
		if got := string(c.Bytes()); got != text {
			t.Fatalf("%q came back as %q", text, got)
		}
	})
}
