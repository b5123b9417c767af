package server

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/store"
)

const secretWord = "correct horse battery"

// employ makes an account with a password, as an admin does.
func (w *world) employ(person hotstick.Person, roles ...string) {
	w.Helper()
	a := w.as(identity.Admin, "POST", "/api/v1/accounts", fmt.Sprintf(`{"person":%q,"roles":["%s"],"password":%q}`, person, strings.Join(roles, `","`), secretWord))
	if a.status != http.StatusOK {
		w.Fatalf("making an account answered %d %s", a.status, a.body)
	}
}

// as sends a request with a role's token.
func (w *world) as(role, method, path, body string) reply {
	w.Helper()
	return w.ask(method, path, body, "Authorization", w.bearer(role))
}

// password signs in with a password and returns the answer.
func (w *world) password(person hotstick.Person, password string) reply {
	w.Helper()
	return w.ask("POST", "/api/v1/session", fmt.Sprintf(`{"person":%q,"password":%q}`, person, password))
}

// cookie is the session cookie that an answer sets, as a request sends it.
func (a reply) cookie() string {
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	return cookie
}

func (w *world) succeeds(a reply) reply {
	w.Helper()
	if a.status >= 300 {
		w.Fatalf("answered %d %s", a.status, a.body)
	}
	return a
}

func TestAPersonSignsInWithAPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.employ("erin", identity.Operator, identity.Approver)
	in := w.succeeds(w.password("erin", secretWord))
	if strings.Contains(in.body, secretWord) {
		w.Error("the answer has the password")
	}
	var who api.Session
	w.must(jsonInto([]byte(w.succeeds(w.ask("GET", "/api/v1/session", "", "Cookie", in.cookie())).body), &who))
	if who.Person != "erin" || !slices.Equal(who.Roles, []string{identity.Operator, identity.Approver}) || strings.Join(who.Rights, " ") != "self read credentials steer sign" {
		w.Errorf("the session is %+v", who)
	}
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"nothing":                     {`{}`, 422},
		"a token and a password":      {fmt.Sprintf(`{"token":%q,"person":"erin","password":%q}`, w.tokens[identity.Admin], secretWord), 422},
		"a person without password":   {`{"person":"erin"}`, 422},
		"a password without person":   {fmt.Sprintf(`{"password":%q}`, secretWord), 422},
		"a token and a person":        {fmt.Sprintf(`{"token":%q,"person":"erin"}`, w.tokens[identity.Admin]), 422},
		"somebody else's token":       {`{"token":"hs_api_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`, 401},
		"a session's cookie as token": {fmt.Sprintf(`{"token":%q}`, strings.TrimPrefix(in.cookie(), cookieName+"=")), 401},
	} {
		if a := w.ask("POST", "/api/v1/session", c.body); a.status != c.status || a.header.Get("Set-Cookie") != "" {
			w.Errorf("signing in with %s: %d %s", name, a.status, a.body)
		}
	}
}

// Somebody who tries names learns nothing of who has an account.
func TestAStrangerCannotTellWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.employ("erin", identity.Viewer)
	w.employ("frank", identity.Viewer)
	w.succeeds(w.as(identity.Admin, "POST", "/api/v1/accounts/frank/disable", `{"reason":"left"}`))
	w.succeeds(w.as(identity.Admin, "POST", "/api/v1/accounts", `{"person":"grace","roles":["viewer"]}`))
	want := w.password("erin", "a wrong password")
	for _, c := range []struct {
		name     string
		person   hotstick.Person
		password string
	}{
		{"nobody", "mallory", "a wrong password"}, {"no name at all", "\\u0000'--", "a wrong password"},
		{"somebody disabled, with the right password", "frank", secretWord},
		{"somebody without a password", "grace", "a wrong password"},
	} {
		got := w.password(c.person, c.password)
		if got.status != want.status || got.body != want.body || got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s; for a wrong password %d %s", c.name, got.status, got.body, want.status, want.body)
		}
	}
}

func TestGuessingPasswordsIsSlowedDownWithoutLockingOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c := &clock{}
	began := time.Now()
	w.options.Now = func() time.Time { return began.Add(time.Duration(c.ahead.Load())) }
	w.restart()
	w.employ("erin", identity.Viewer)
	var last reply
	for range freeGuesses + 1 {
		last = w.password("erin", "a wrong password")
	}
	if last.status != http.StatusTooManyRequests || last.header.Get("Retry-After") != "1" || last.problem().Code != codeRateLimited {
		t.Fatalf("after %d wrong passwords: %d %v %s", freeGuesses, last.status, last.header, last.body)
	}
	if a := w.password("erin", secretWord); a.status != http.StatusTooManyRequests {
		t.Errorf("the right password, too soon: %d", a.status)
	}
	c.ahead.Add(int64(time.Second))
	w.succeeds(w.password("erin", secretWord))
}

// openStream is a live stream that a test holds.
type openStream struct {
	w *world
	// beat has a ping after the first.
	beat  chan struct{}
	ended chan struct{}
}

// mustStream opens the live stream with a credential.
func (w *world) mustStream(header, value string) *openStream {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), "GET", w.server.URL()+"/api/v1/stream", nil)
	w.must(err)
	req.Header.Set(header, value)
	resp, err := w.plain().Do(req)
	w.must(err)
	w.Cleanup(func() { resp.Body.Close() })
	s := &openStream{w: w, beat: make(chan struct{}, 1), ended: make(chan struct{})}
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != "event: ping" {
		w.Fatalf("the stream began with %d %q", resp.StatusCode, lines.Text())
	}
	go func() {
		defer close(s.ended)
		for lines.Scan() {
			if lines.Text() != "event: ping" {
				continue
			}
			select {
			case s.beat <- struct{}{}:
			default:
			}
		}
	}()
	return s
}

func (s *openStream) beatsWithin(limit time.Duration) {
	s.w.Helper()
	select {
	case <-s.beat:
	case <-s.ended:
		s.w.Error("the stream ended")
	case <-time.After(limit):
		s.w.Errorf("the stream does not beat within %s", limit)
	}
}

func (s *openStream) endsWithin(limit time.Duration) {
	s.w.Helper()
	select {
	case <-s.ended:
	case <-time.After(limit):
		s.w.Errorf("the stream goes on after %s", limit)
	}
}

func TestWhatEndsSessionsEndsThemAtOnce(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"the account is disabled": func(w *world) {
			w.succeeds(w.as(identity.Admin, "POST", "/api/v1/accounts/erin/disable", `{"reason":"left"}`))
		},
		"an admin sets another password": func(w *world) {
			w.succeeds(w.as(identity.Admin, "POST", "/api/v1/accounts/erin/password", `{"new":"another horse battery"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.employ("erin", identity.Operator)
			cookie := w.succeeds(w.password("erin", secretWord)).cookie()
			stream := w.mustStream("Cookie", cookie)
			w.succeeds(w.ask("GET", "/api/v1/overview", "", "Cookie", cookie))
			end(w)
			if a := w.ask("GET", "/api/v1/overview", "", "Cookie", cookie); a.status != http.StatusUnauthorized {
				w.Errorf("the session still answers %d", a.status)
			}
			stream.endsWithin(cutOff)
		})
	}
}

func TestTokensOfADisabledPersonEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.employ("erin", identity.Operator)
	cookie := w.succeeds(w.password("erin", secretWord)).cookie()
	var made api.Token
	w.must(jsonInto([]byte(w.succeeds(w.ask("POST", "/api/v1/tokens", `{}`, "Cookie", cookie, "Sec-Fetch-Site", "same-origin")).body), &made))
	reads := func() int {
		return w.ask("GET", "/api/v1/overview", "", "Authorization", "Bearer "+made.Token).status
	}
	if got := reads(); got != http.StatusOK {
		w.Fatalf("the token answers %d", got)
	}
	w.succeeds(w.as(identity.Admin, "POST", "/api/v1/accounts/erin/disable", `{"reason":"on leave"}`))
	if got := reads(); got != http.StatusUnauthorized {
		w.Errorf("of a disabled person the token answers %d", got)
	}
	w.succeeds(w.as(identity.Admin, "POST", "/api/v1/accounts/erin/enable", `{"reason":"back"}`))
	if got := reads(); got != http.StatusOK {
		w.Errorf("of a person who is back the token answers %d", got)
	}
	if a := w.ask("GET", "/api/v1/overview", "", "Cookie", cookie); a.status != http.StatusUnauthorized {
		w.Errorf("the session from before answers %d", a.status)
	}
	w.succeeds(w.as(identity.Admin, "POST", "/api/v1/accounts/erin/roles", `{"roles":["viewer"],"reason":"moved"}`))
	if a := w.ask("POST", "/api/v1/stop", `{"reason":"x"}`, "Authorization", "Bearer "+made.Token); a.status != http.StatusForbidden {
		w.Errorf("of a person who is a viewer now the operator's token answers %d", a.status)
	}
}

func TestATokenThatIsTakenBackEndsWhatWasOpenedWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var made api.Token
	w.must(jsonInto([]byte(w.succeeds(w.as(identity.Operator, "POST", "/api/v1/tokens", `{"roles":["viewer"]}`)).body), &made))
	cookie := w.succeeds(w.ask("POST", "/api/v1/session", fmt.Sprintf(`{"token":%q}`, made.Token))).cookie()
	direct, console := w.mustStream("Authorization", "Bearer "+made.Token), w.mustStream("Cookie", cookie)
	w.succeeds(w.as(identity.Operator, "POST", "/api/v1/tokens/"+made.ID+"/revoke", `{"reason":"lost"}`))
	for _, credential := range [][]string{{"Authorization", "Bearer " + made.Token}, {"Cookie", cookie}} {
		if a := w.ask("GET", "/api/v1/session", "", credential...); a.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", credential[0], a.status)
		}
	}
	direct.endsWithin(cutOff)
	console.endsWithin(cutOff)
}

func TestNobodyMakesATokenWithMoreRightsThanTheyHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.employ("erin", identity.Viewer)
	limited := w.add(store.Token{Roles: []string{identity.Admin}, Only: []string{"credentials", "read"}})
	for _, c := range []struct {
		name, token, body string
		status            int
	}{
		{"a viewer wants admin", w.tokens[identity.Viewer], `{"roles":["admin"]}`, 403},
		{"a viewer wants a second role", w.tokens[identity.Viewer], `{"roles":["viewer","approver"]}`, 403},
		{"a viewer wants it for ever", w.tokens[identity.Viewer], `{"no_expiry":true}`, 403},
		{"a viewer wants it for more than a year", w.tokens[identity.Viewer], `{"ttl_seconds":31536001}`, 422},
		{"a viewer wants it for a second", w.tokens[identity.Viewer], `{"ttl_seconds":1}`, 422},
		{"a viewer wants it for somebody else", w.tokens[identity.Viewer], `{"person":"bob"}`, 403},
		{"a viewer wants one like the own", w.tokens[identity.Viewer], `{}`, 200},
		{"an operator wants a viewer's", w.tokens[identity.Operator], `{"roles":["viewer"]}`, 200},
		{"an operator wants an admin's that only steers", w.tokens[identity.Operator], `{"roles":["admin"],"only":["read","steer"]}`, 200},
		{"an admin's limited token wants the limit off", limited, `{}`, 403},
		{"an admin's limited token wants it for somebody else", limited, `{"person":"bob","only":["read"]}`, 403},
		{"an admin's limited token wants what it has", limited, `{"only":["read"]}`, 200},
		{"a read-only admin wants anything", w.readOnly(identity.Admin), `{"only":["read"]}`, 403},
		{"an admin wants it for ever", w.tokens[identity.Admin], `{"person":"ci","roles":["viewer"],"no_expiry":true}`, 200},
		{"an admin wants it for ever and for a day", w.tokens[identity.Admin], `{"ttl_seconds":86400,"no_expiry":true}`, 422},
		{"an admin wants a right that does not exist", w.tokens[identity.Admin], `{"only":["everything"]}`, 422},
		{"an admin wants a role that does not exist", w.tokens[identity.Admin], `{"roles":["root"]}`, 422},
		{"an admin wants it for no name", w.tokens[identity.Admin], `{"person":"Robert'); --"}`, 422},
	} {
		a := w.ask("POST", "/api/v1/tokens", c.body, "Authorization", "Bearer "+c.token)
		if a.status != c.status {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
		if a.status == 200 && strings.Contains(c.body, "ttl") != strings.Contains(a.body, "ttl") {
			t.Errorf("%s: %s", c.name, a.body)
		}
	}
	var made api.Token
	w.must(jsonInto([]byte(w.succeeds(w.as(identity.Viewer, "POST", "/api/v1/tokens", `{}`)).body), &made))
	if life := time.Until(*made.Expires); life < 89*24*time.Hour || life > 90*24*time.Hour {
		t.Errorf("a token lives %s if nobody says", life)
	}
}

func TestATokenIsListedAndTakenBackByItsOwnersOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.employ("erin", identity.Viewer)
	cookie := w.succeeds(w.password("erin", secretWord)).cookie()
	own := func(method, path, body string) reply {
		return w.ask(method, path, body, "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
	}
	list := func(a reply) (out api.TokenList) {
		w.must(jsonInto([]byte(w.succeeds(a).body), &out))
		return out
	}
	w.succeeds(own("POST", "/api/v1/tokens", `{}`))
	mine := list(own("GET", "/api/v1/tokens", "")).Tokens
	all := list(w.as(identity.Auditor, "GET", "/api/v1/tokens", "")).Tokens
	if len(mine) != 1 || mine[0].Person != "erin" || len(all) != len(identity.Roles())+1 {
		t.Errorf("erin sees %+v, an auditor %d tokens", mine, len(all))
	}
	i := slices.IndexFunc(all, func(s api.TokenState) bool { return s.Person == alice })
	if a := own("POST", "/api/v1/tokens/"+all[i].ID+"/revoke", `{"reason":"mine now"}`); a.status != http.StatusNotFound {
		t.Errorf("erin takes back alice's token: %d", a.status)
	}
	if a := own("POST", "/api/v1/tokens/"+mine[0].ID+"/revoke", `{}`); a.status != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: %d", a.status)
	}
	if left := list(w.as(identity.Admin, "POST", "/api/v1/tokens/"+mine[0].ID+"/revoke", `{"reason":"tidy"}`)).Tokens; len(left) != len(all)-1 {
		t.Errorf("%d tokens are left of %d", len(left), len(all))
	}
}

func TestNobodyTakesRightsFromThemselves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.employ("erin", identity.Admin)
	cookie := w.succeeds(w.password("erin", secretWord)).cookie()
	for _, c := range []struct{ name, path, body string }{
		{"disables the own account", "/api/v1/accounts/erin/disable", `{"reason":"oops"}`},
		{"gives up admin", "/api/v1/accounts/erin/roles", `{"roles":["viewer"],"reason":"oops"}`},
	} {
		a := w.ask("POST", c.path, c.body, "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
		if a.status != http.StatusConflict || a.problem().Code != "own_rights" {
			t.Errorf("erin %s: %d %s", c.name, a.status, a.body)
		}
	}
	// alice has tokens and no account: one with fewer rights would bind them.
	if a := w.as(identity.Admin, "POST", "/api/v1/accounts", `{"person":"alice","roles":["viewer"]}`); a.status != http.StatusConflict {
		t.Errorf("alice makes a viewer of herself: %d %s", a.status, a.body)
	}
	if a := w.succeeds(w.as(identity.Auditor, "GET", "/api/v1/accounts", "")); strings.Contains(a.body, "alice") || strings.Contains(a.body, "argon2") {
		t.Errorf("the accounts are %s", a.body)
	}
}

func TestWhoSetsWhosePassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.employ("erin", identity.Operator)
	w.employ("frank", identity.Operator)
	erin := w.succeeds(w.password("erin", secretWord)).cookie()
	set := func(path, body string) reply {
		return w.ask("POST", path, body, "Cookie", erin, "Sec-Fetch-Site", "same-origin")
	}
	const fresh, own = "staple horse battery", "/api/v1/session/password"
	for _, c := range []struct {
		name, path, body string
		status           int
	}{
		{"without the current one", own, fmt.Sprintf(`{"new":%q}`, fresh), 422},
		{"with a wrong current one", own, fmt.Sprintf(`{"current":"not my password","new":%q}`, fresh), 422},
		{"of somebody else", "/api/v1/accounts/frank/password", fmt.Sprintf(`{"new":%q}`, fresh), 403},
		{"to a short one", own, fmt.Sprintf(`{"current":%q,"new":"short"}`, secretWord), 422},
		{"of her own", own, fmt.Sprintf(`{"current":%q,"new":%q}`, secretWord, fresh), 200},
	} {
		if a := set(c.path, c.body); a.status != c.status {
			t.Errorf("erin sets a password %s: %d %s", c.name, a.status, a.body)
		}
	}
	if a := w.ask("GET", "/api/v1/session", "", "Cookie", erin); a.status != http.StatusUnauthorized {
		t.Errorf("the session with the old password: %d", a.status)
	}
	if a := w.password("erin", secretWord); a.status != http.StatusUnauthorized {
		t.Errorf("the old password: %d", a.status)
	}
	w.succeeds(w.password("erin", fresh))
	if a := w.as(identity.Admin, "POST", "/api/v1/accounts/mallory/password", fmt.Sprintf(`{"new":%q}`, fresh)); a.status != http.StatusNotFound {
		t.Errorf("of nobody: %d", a.status)
	}
}

// mint makes a token with a credential.
func (w *world) mint(body string, credential ...string) api.Token {
	w.Helper()
	var made api.Token
	w.must(jsonInto([]byte(w.succeeds(w.ask("POST", "/api/v1/tokens", body, credential...)).body), &made))
	return made
}

// works tells whether a token is still good.
func (w *world) works(t api.Token) bool {
	w.Helper()
	return w.ask("GET", "/api/v1/session", "", "Authorization", "Bearer "+t.Token).status == http.StatusOK
}

func TestAThiefOfAShortTokenMakesNoLongOneOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	short := w.mint(`{"ttl_seconds":600}`, "Authorization", w.bearer(identity.Admin))
	cookie := w.succeeds(w.ask("POST", "/api/v1/session", fmt.Sprintf(`{"token":%q}`, short.Token))).cookie()
	for name, credential := range map[string][]string{
		"the token itself":        {"Authorization", "Bearer " + short.Token},
		"a session opened by it":  {"Cookie", cookie, "Sec-Fetch-Site", "same-origin"},
		"a token that it made":    {"Authorization", "Bearer " + w.mint(`{}`, "Authorization", "Bearer "+short.Token).Token},
		"one for somebody's name": {"Authorization", "Bearer " + w.mint(`{"person":"bob"}`, "Authorization", "Bearer "+short.Token).Token},
	} {
		for _, body := range []string{`{}`, `{"ttl_seconds":31536000}`} {
			if made := w.mint(body, credential...); made.Expires == nil || made.Expires.After(*short.Expires) {
				t.Errorf("%s with %s makes one until %v, the first ends %v", name, body, made.Expires, short.Expires)
			}
		}
		if a := w.ask("POST", "/api/v1/tokens", `{"no_expiry":true}`, credential...); a.status != http.StatusForbidden {
			t.Errorf("%s makes one without an end: %d", name, a.status)
		}
	}
}

func TestAThiefWhoseTokenIsTakenBackKeepsNoneThatItMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	stolen := w.mint(`{}`, "Authorization", w.bearer(identity.Admin))
	cookie := w.succeeds(w.ask("POST", "/api/v1/session", fmt.Sprintf(`{"token":%q}`, stolen.Token))).cookie()
	his := map[string]api.Token{
		"made with it":           w.mint(`{}`, "Authorization", "Bearer "+stolen.Token),
		"made for somebody else": w.mint(`{"person":"bob"}`, "Authorization", "Bearer "+stolen.Token),
		"made in its session":    w.mint(`{}`, "Cookie", cookie, "Sec-Fetch-Site", "same-origin"),
	}
	his["made with one of those"] = w.mint(`{}`, "Authorization", "Bearer "+his["made for somebody else"].Token)
	hers := w.mint(`{}`, "Authorization", w.bearer(identity.Admin))
	w.succeeds(w.as(identity.Admin, "POST", "/api/v1/tokens/"+stolen.ID+"/revoke", `{"reason":"stolen"}`))
	for name, token := range his {
		if w.works(token) {
			t.Errorf("the token %s still works", name)
		}
	}
	if !w.works(hers) {
		t.Error("a token that was made with another is gone")
	}
	page, err := w.admin.Events(t.Context(), client.EventQuery{Kind: "token.revoked", Limit: 10})
	w.must(err)
	if len(page.Events) != 1+len(his) {
		t.Errorf("%d leaves tell of %d tokens", len(page.Events), 1+len(his))
	}
}

func TestAThiefOfASessionKeepsNoTokenAfterANewPassword(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(w *world, own []string) reply{
		"an admin's": func(w *world, _ []string) reply {
			return w.as(identity.Admin, "POST", "/api/v1/accounts/erin/password", `{"new":"another horse battery"}`)
		},
		"the own": func(w *world, own []string) reply {
			return w.ask("POST", "/api/v1/session/password", fmt.Sprintf(`{"current":%q,"new":"another horse battery"}`, secretWord), own...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.employ("erin", identity.Operator)
			stolen := w.succeeds(w.password("erin", secretWord)).cookie()
			first := w.mint(`{}`, "Cookie", stolen, "Sec-Fetch-Site", "same-origin")
			second := w.mint(`{}`, "Authorization", "Bearer "+first.Token)
			own := []string{"Authorization", "Bearer " + w.mint(`{}`, "Cookie", stolen, "Sec-Fetch-Site", "same-origin").Token}
			w.succeeds(set(w, own))
			if w.works(first) || w.works(second) {
				t.Error("after a new password a token from before still works")
			}
			fresh := w.succeeds(w.password("erin", "another horse battery")).cookie()
			if !w.works(w.mint(`{}`, "Cookie", fresh, "Sec-Fetch-Site", "same-origin")) {
				t.Error("a token of the new password does not work")
			}
		})
	}
}

func TestAFloodOfSessionsLeavesAFewOfThePerson(t *testing.T) {
	onEachStoreWithAClock(t, func(w *world, c *clock) {
		signIn := func() string { return cookieName + "=" + w.signIn(identity.Admin) }
		works := func(cookie string) bool {
			return w.ask("GET", "/api/v1/session", "", "Cookie", cookie).status == http.StatusOK
		}
		var cookies []string
		for range maxSessions + 1 {
			cookies = append(cookies, signIn())
		}
		if works(cookies[0]) || !works(cookies[1]) || !works(cookies[maxSessions]) {
			w.Errorf("of %d sessions the oldest works: %v; the next: %v; the newest: %v", len(cookies), works(cookies[0]), works(cookies[1]), works(cookies[maxSessions]))
		}
		rows := func() (n int) {
			w.must(w.server.store.View(w.Context(), func(tx store.Tx) error {
				all, err := tx.Tokens().List(identity.SessionToken)
				n = len(all)
				return err
			}))
			return n
		}
		c.ahead.Add(int64(sessionLife))
		if last := signIn(); !works(last) || rows() != 1 {
			w.Errorf("%d sessions are kept after the end of all but one", rows())
		}
		c.ahead.Store(0) // a clock that was set back makes no new session the oldest
		if last := signIn(); !works(last) {
			w.Error("a new session ends at once")
		}
	})
}
