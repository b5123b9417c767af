package windowsstep

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/go-ole/go-ole"
	"github.com/go-ole/go-ole/oleutil"
)

// COM is the Windows Update Agent of this machine, through COM. Each call has a thread and
// a session of its own. Whoever stops waiting for a call leaves it to the agent, which has
// no way to break off an installation.
type COM struct{}

var _ UpdateAgent = COM{}

// everything finds updates whether they are installed or not.
const everything = "IsInstalled=0 or IsInstalled=1"

// most bounds what is read of a list of the agent.
const most = 1000

// call runs work with a session, on a thread that COM knows.
func call[T any](ctx context.Context, what string, work func(session *object) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var r result
		r.value, r.err = inApartment(what, work)
		done <- r
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("cannot wait for the Windows Update Agent to %s: %w", what, ctx.Err())
	}
}

func inApartment[T any](what string, work func(*object) (T, error)) (value T, err error) {
	var fault *ole.OleError
	const already = 1 // S_FALSE: the thread knows COM, and is counted once more
	if err := ole.CoInitializeEx(0, ole.COINIT_MULTITHREADED); err != nil && !(errors.As(err, &fault) && fault.Code() == already) {
		return value, agentError(what, err)
	}
	defer ole.CoUninitialize()
	s := &objects{}
	defer s.release()
	session, err := s.create("Microsoft.Update.Session")
	if err == nil {
		value, err = work(session)
	}
	return value, agentError(what, err)
}

// agentError gives an error of COM the code that says most.
func agentError(what string, err error) error {
	var fault *ole.OleError
	if !errors.As(err, &fault) {
		return err
	}
	code := HResult(fault.Code())
	const exception = 0x80020009 // the object's own code is inside
	if inner, ok := fault.SubError().(ole.EXCEPINFO); ok && code == exception && inner.SCODE() != 0 {
		code = HResult(inner.SCODE())
	}
	return &AgentError{Call: what, HResult: code}
}

// objects are those that a call has to release at its end.
type objects struct{ list []*ole.IDispatch }

func (s *objects) release() {
	for _, o := range s.list {
		o.Release()
	}
}

// object is one object of the agent.
type object struct {
	of *objects
	d  *ole.IDispatch
}

func (s *objects) create(class string) (*object, error) {
	unknown, err := oleutil.CreateObject(class)
	if err != nil {
		return nil, err
	}
	defer unknown.Release()
	d, err := unknown.QueryInterface(ole.IID_IDispatch)
	if err != nil {
		return nil, err
	}
	return s.keep(d), nil
}

func (s *objects) keep(d *ole.IDispatch) *object {
	s.list = append(s.list, d)
	return &object{s, d}
}

// errNoObject: the agent answered with something else than an object.
var errNoObject = errors.New("cannot use what the Windows Update Agent answered: it is no object")

func (o *object) wrap(v *ole.VARIANT, err error) (*object, error) {
	if err != nil {
		return nil, err
	}
	d := v.ToIDispatch()
	if d == nil {
		return nil, errNoObject
	}
	return o.of.keep(d), nil
}

// get returns an object that is a property; do one that a method answers with.
func (o *object) get(name string, args ...any) (*object, error) {
	return o.wrap(oleutil.GetProperty(o.d, name, args...))
}

func (o *object) do(name string, args ...any) (*object, error) {
	return o.wrap(oleutil.CallMethod(o.d, name, args...))
}

func (o *object) put(name string, value any) error {
	if other, ok := value.(*object); ok {
		value = other.d
	}
	_, err := oleutil.PutProperty(o.d, name, value)
	return err
}

// reader reads properties until one cannot be read.
type reader struct {
	o   *object
	err error
}

func (r *reader) value(name string) any {
	if r.err != nil {
		return nil
	}
	v, err := oleutil.GetProperty(r.o.d, name)
	if err != nil {
		r.err = err
		return nil
	}
	defer v.Clear()
	return v.Value()
}

func (r *reader) text(name string) string {
	s, _ := r.value(name).(string)
	return s
}

func (r *reader) yes(name string) bool {
	b, _ := r.value(name).(bool)
	return b
}

func (r *reader) number(name string) int64 {
	switch n := r.value(name).(type) {
	case int32:
		return int64(n)
	case int64:
		return n
	case uint32:
		return int64(n)
	}
	return 0
}

// each calls f for each object of a list.
func (o *object) each(f func(*object) error) error {
	count := reader{o: o}
	n := min(count.number("Count"), most)
	if count.err != nil {
		return count.err
	}
	for i := range int(n) {
		item, err := o.get("Item", i)
		if err != nil {
			return err
		}
		if err := f(item); err != nil {
			return err
		}
	}
	return nil
}

// texts are those of a list of texts.
func (o *object) texts(name string) ([]string, error) {
	list, err := o.get(name)
	if err != nil {
		return nil, err
	}
	count := reader{o: list}
	n := min(count.number("Count"), most)
	if count.err != nil {
		return nil, count.err
	}
	var all []string
	for i := range int(n) {
		v, err := oleutil.GetProperty(list.d, "Item", i)
		if err != nil {
			return nil, err
		}
		all = append(all, v.ToString())
		v.Clear()
	}
	return all, nil
}

// State implements [UpdateAgent].
func (COM) State(ctx context.Context) (State, error) {
	return call(ctx, "say what it does", func(session *object) (State, error) {
		installer, err := session.do("CreateUpdateInstaller")
		if err != nil {
			return State{}, err
		}
		busy := reader{o: installer}
		s := State{Busy: busy.yes("IsBusy")}
		system, err := session.of.create("Microsoft.Update.SystemInfo")
		if err != nil {
			return State{}, err
		}
		reboot := reader{o: system}
		s.RebootRequired = reboot.yes("RebootRequired")
		return s, errors.Join(busy.err, reboot.err)
	})
}

// find gives f each update that fits the criteria.
func find(session *object, criteria string, f func(*object) error) error {
	searcher, err := session.do("CreateUpdateSearcher")
	if err != nil {
		return err
	}
	// The update that was signed is wanted, even if a newer one replaces it.
	if err := searcher.put("IncludePotentiallySupersededUpdates", true); err != nil {
		return err
	}
	found, err := searcher.do("Search", criteria)
	if err != nil {
		return err
	}
	list, err := found.get("Updates")
	if err != nil {
		return err
	}
	return list.each(f)
}

// Search implements [UpdateAgent].
func (COM) Search(ctx context.Context, article string) ([]Update, error) {
	return call(ctx, "search", func(session *object) ([]Update, error) {
		var updates []Update
		err := find(session, everything, func(o *object) error {
			articles, err := o.texts("KBArticleIDs")
			if err != nil {
				return err
			}
			for _, a := range articles {
				if number(a) == number(article) {
					u, err := describe(o, articles)
					updates = append(updates, u)
					return err
				}
			}
			return nil
		})
		return updates, err
	})
}

func describe(o *object, articles []string) (Update, error) {
	identity, err := o.get("Identity")
	if err != nil {
		return Update{}, err
	}
	behaviour, err := o.get("InstallationBehavior")
	if err != nil {
		return Update{}, err
	}
	id, of, how := reader{o: identity}, reader{o: o}, reader{o: behaviour}
	u := Update{
		ID: id.text("UpdateID"), Title: of.text("Title"), Articles: articles, Installed: of.yes("IsInstalled"),
		Downloaded: of.yes("IsDownloaded"), Uninstallable: of.yes("IsUninstallable"), Reboots: int(how.number("RebootBehavior")),
	}
	u.CVEs, _ = o.texts("CveIDs") // older agents have none
	u.Published, _ = of.value("LastDeploymentChangeTime").(time.Time)
	return u, errors.Join(id.err, of.err, how.err)
}

// listed makes the agent's own list of one update. Whoever installs it must have accepted
// its licence.
func listed(session *object, id string, licence bool) (*object, error) {
	if strings.Trim(strings.ToLower(id), "0123456789abcdef-") != "" {
		return nil, fmt.Errorf("cannot use %.80q as the ID of an update", id)
	}
	list, err := session.of.create("Microsoft.Update.UpdateColl")
	if err != nil {
		return nil, err
	}
	n := 0
	err = find(session, "UpdateID='"+id+"'", func(o *object) error {
		eula := reader{o: o}
		if licence && !eula.yes("EulaAccepted") && eula.err == nil {
			return fmt.Errorf("cannot accept the licence of update %s: a person does that", id)
		}
		n++
		v, err := oleutil.CallMethod(list.d, "Add", o.d)
		if err == nil {
			v.Clear()
		}
		return err
	})
	if err == nil && n != 1 {
		err = fmt.Errorf("cannot use the update %s: the Windows Update Agent has %d of them", id, n)
	}
	return list, err
}

// methods are what makes the agent's worker of a work, and what that then does.
var methods = map[Work]struct{ maker, method string }{
	Download:  {"CreateUpdateDownloader", "Download"},
	Install:   {"CreateUpdateInstaller", "Install"},
	Uninstall: {"CreateUpdateInstaller", "Uninstall"},
}

// Do implements [UpdateAgent].
func (COM) Do(ctx context.Context, what Work, id string) (Result, error) {
	by, known := methods[what]
	if !known {
		return Result{}, fmt.Errorf("cannot do %.40q with an update", string(what))
	}
	return call(ctx, string(what), func(session *object) (Result, error) {
		list, err := listed(session, id, what != Uninstall)
		if err != nil {
			return Result{}, err
		}
		worker, err := session.do(by.maker)
		if err != nil {
			return Result{}, err
		}
		if err := worker.put("Updates", list); err != nil {
			return Result{}, err
		}
		done, err := worker.do(by.method)
		if err != nil {
			return Result{}, err
		}
		return result(done, what)
	})
}

// result reads how a work ended. Of a download nobody asks for a reboot.
func result(done *object, what Work) (Result, error) {
	all := reader{o: done}
	r := Result{Code: ResultCode(all.number("ResultCode")), HResult: HResult(all.number("HResult"))}
	if what != Download {
		r.RebootRequired = all.yes("RebootRequired")
	}
	if one, err := done.do("GetUpdateResult", 0); err == nil {
		of := reader{o: one}
		if code := HResult(of.number("HResult")); of.err == nil && code != 0 {
			r.HResult = code // that of the update says more than that of the list
		}
	}
	return r, all.err
}

// History implements [UpdateAgent].
func (COM) History(ctx context.Context, n int) ([]Entry, error) {
	return call(ctx, "tell its history", func(session *object) ([]Entry, error) {
		searcher, err := session.do("CreateUpdateSearcher")
		if err != nil {
			return nil, err
		}
		list, err := searcher.do("QueryHistory", 0, min(n, most))
		if err != nil {
			return nil, err
		}
		var entries []Entry
		err = list.each(func(o *object) error {
			of := reader{o: o}
			entries = append(entries, Entry{Title: of.text("Title"), Code: ResultCode(of.number("ResultCode")), HResult: HResult(of.number("HResult"))})
			return of.err
		})
		return entries, err
	})
}
