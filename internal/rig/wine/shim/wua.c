/*
 * Rig: stands in for the Windows Update Agent of Microsoft; written from its documentation.
 *
 * An in-process COM server under the agent's two ProgIDs. Its objects answer late-bound
 * calls, as scripts make them, by the names of the documentation. What there is and how it
 * ends is in the registry, below HKEY_LOCAL_MACHINE\SOFTWARE\HotstickRig:
 *
 *   Updates\N        ID, Title, Article, Installed, Downloaded, Uninstallable, Reboots, To
 *   DownloadHResult  a download fails with this code
 *   InstallHResult   an installation, and so does UninstallHResult
 *   InstallReboots   1: an installation wants a reboot, and its revision is not in effect
 *   InstallMillis    how long an installation takes
 *   Reboot           1: a reboot is pending
 *   Calls            what was called, the newest last
 *
 * To install an update makes its revision (To) the machine's UBR; to uninstall one leaves
 * that as it is, for a hotpatch is gone after a reboot only.
 */
#define COBJMACROS
#include <initguid.h>
#include <windows.h>
#include <oaidl.h>
#include <stdio.h>

#define ROOT L"SOFTWARE\\HotstickRig"
#define MOST 16

/* {6f0c9a52-5d3f-4f5e-9f65-68746b737401} and …02; the registry maps the ProgIDs to them. */
DEFINE_GUID(CLSID_RigSession, 0x6f0c9a52, 0x5d3f, 0x4f5e, 0x9f, 0x65, 0x68, 0x74, 0x6b, 0x73, 0x74, 0x01);
DEFINE_GUID(CLSID_RigSystem, 0x6f0c9a52, 0x5d3f, 0x4f5e, 0x9f, 0x65, 0x68, 0x74, 0x6b, 0x73, 0x74, 0x02);
DEFINE_GUID(CLSID_RigColl, 0x6f0c9a52, 0x5d3f, 0x4f5e, 0x9f, 0x65, 0x68, 0x74, 0x6b, 0x73, 0x74, 0x03);

enum { WU_E_NO_UPDATE = (int)0x80240024, WU_E_UNINSTALL_NOT_ALLOWED = (int)0x80240028 };

enum kind { SESSION, SYSTEM, SEARCHER, FOUND, COLL, UPDATE, IDENTITY, BEHAVIOUR, STRINGS, DOWNLOADER, INSTALLER, DONE, HISTORY, ENTRY };

typedef struct object {
	IDispatch iface;
	LONG refs;
	enum kind kind;
	int update;        /* the update that it is of */
	int list[MOST], n; /* the updates of a collection */
	struct object *of; /* a worker's collection */
	int code, hresult, reboot;
	BSTR text;
} object;

static const WCHAR *names[] = { L"", L"CreateUpdateSearcher", L"CreateUpdateDownloader", L"CreateUpdateInstaller", L"Search", L"Updates", L"Count", L"Item",
	L"IncludePotentiallySupersededUpdates", L"KBArticleIDs", L"CveIDs", L"Identity", L"UpdateID", L"InstallationBehavior", L"RebootBehavior", L"Title",
	L"IsInstalled", L"IsDownloaded", L"IsUninstallable", L"LastDeploymentChangeTime", L"EulaAccepted", L"Add", L"IsBusy", L"Download", L"Install",
	L"Uninstall", L"ResultCode", L"HResult", L"RebootRequired", L"GetUpdateResult", L"QueryHistory" };
enum { NONE, CreateUpdateSearcher, CreateUpdateDownloader, CreateUpdateInstaller, Search, Updates, Count, Item, IncludeSuperseded, KBArticleIDs, CveIDs,
	Identity, UpdateID, InstallationBehavior, RebootBehavior, Title, IsInstalled, IsDownloaded, IsUninstallable, LastChange, EulaAccepted, Add, IsBusy,
	Download, Install, Uninstall, ResultCode, HResult_, RebootRequired, GetUpdateResult, QueryHistory };

static DWORD number(const WCHAR *key, const WCHAR *name)
{
	DWORD value = 0, size = sizeof value;
	RegGetValueW(HKEY_LOCAL_MACHINE, key, name, RRF_RT_REG_DWORD, NULL, &value, &size);
	return value;
}

static void put(const WCHAR *key, const WCHAR *name, DWORD value)
{
	RegSetKeyValueW(HKEY_LOCAL_MACHINE, key, name, REG_DWORD, &value, sizeof value);
}

static const WCHAR *name_key(WCHAR *key, int n)
{
	_snwprintf(key, 64, ROOT L"\\Updates\\%d", n);
	return key;
}

#define update(n) name_key((WCHAR[64]){ 0 }, n)

static BSTR text(const WCHAR *key, const WCHAR *name)
{
	WCHAR value[256] = { 0 };
	DWORD size = sizeof value - sizeof *value;
	RegGetValueW(HKEY_LOCAL_MACHINE, key, name, RRF_RT_REG_SZ, NULL, value, &size);
	return SysAllocString(value);
}

static int there(int n)
{
	HKEY key;
	if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, update(n), 0, KEY_READ, &key)) return 0;
	RegCloseKey(key);
	return 1;
}

static void called(const WCHAR *what)
{
	WCHAR all[1024] = { 0 };
	DWORD size = sizeof all - sizeof *all;
	RegGetValueW(HKEY_LOCAL_MACHINE, ROOT, L"Calls", RRF_RT_REG_SZ, NULL, all, &size);
	if (wcslen(all) + wcslen(what) + 2 > 1024) return;
	if (*all) wcscat(all, L" ");
	wcscat(all, what);
	RegSetKeyValueW(HKEY_LOCAL_MACHINE, ROOT, L"Calls", REG_SZ, all, (DWORD)(wcslen(all) + 1) * sizeof *all);
}

static IDispatchVtbl table;

static object *make(enum kind kind)
{
	object *o = CoTaskMemAlloc(sizeof *o);
	if (!o) return NULL;
	ZeroMemory(o, sizeof *o);
	o->iface.lpVtbl = &table;
	o->refs = 1;
	o->kind = kind;
	return o;
}

static HRESULT WINAPI query(IDispatch *self, REFIID iid, void **out)
{
	if (!IsEqualGUID(iid, &IID_IUnknown) && !IsEqualGUID(iid, &IID_IDispatch)) {
		*out = NULL;
		return E_NOINTERFACE;
	}
	*out = self;
	IDispatch_AddRef(self);
	return S_OK;
}

static ULONG WINAPI add_ref(IDispatch *self) { return InterlockedIncrement(&((object *)self)->refs); }

static ULONG WINAPI release(IDispatch *self)
{
	object *o = (object *)self;
	ULONG left = InterlockedDecrement(&o->refs);
	if (left) return left;
	if (o->of) IDispatch_Release(&o->of->iface);
	SysFreeString(o->text);
	CoTaskMemFree(o);
	return 0;
}

static HRESULT WINAPI count_types(IDispatch *self, UINT *n) { *n = 0; return S_OK; }
static HRESULT WINAPI type_info(IDispatch *self, UINT i, LCID l, ITypeInfo **out) { *out = NULL; return E_NOTIMPL; }

static HRESULT WINAPI ids(IDispatch *self, REFIID iid, LPOLESTR *asked, UINT n, LCID l, DISPID *out)
{
	unsigned i;
	if (n != 1) return E_INVALIDARG;
	for (i = 1; i < sizeof names / sizeof *names; i++)
		if (!_wcsicmp(names[i], asked[0])) {
			*out = i;
			return S_OK;
		}
	*out = DISPID_UNKNOWN;
	return DISP_E_UNKNOWNNAME;
}

static HRESULT give(VARIANT *out, object *o)
{
	if (!o) return E_OUTOFMEMORY;
	V_VT(out) = VT_DISPATCH;
	V_DISPATCH(out) = &o->iface;
	return S_OK;
}

static HRESULT give_number(VARIANT *out, int n) { V_VT(out) = VT_I4; V_I4(out) = n; return S_OK; }
static HRESULT give_truth(VARIANT *out, int yes) { V_VT(out) = VT_BOOL; V_BOOL(out) = yes ? VARIANT_TRUE : VARIANT_FALSE; return S_OK; }
static HRESULT give_text(VARIANT *out, BSTR s) { V_VT(out) = VT_BSTR; V_BSTR(out) = s; return S_OK; }

static HRESULT give_of(VARIANT *out, enum kind kind, int n)
{
	object *o = make(kind);
	if (o) o->update = n;
	return give(out, o);
}

/* search understands all updates, and UpdateID='…'. */
static HRESULT search(const WCHAR *criteria, VARIANT *out)
{
	object *found = make(FOUND), *list = make(COLL);
	int n;
	if (!found || !list) return E_OUTOFMEMORY;
	called(L"search");
	for (n = 1; n <= MOST && there(n); n++) {
		BSTR id = text(update(n), L"ID");
		if (wcsncmp(criteria, L"UpdateID='", 10) || !wcsncmp(criteria + 10, id, wcslen(id))) list->list[list->n++] = n;
		SysFreeString(id);
	}
	found->of = list;
	return give(out, found);
}

static HRESULT work(object *worker, int what, VARIANT *out)
{
	object *done = make(DONE);
	int n, wants_reboot = what == Install && number(ROOT, L"InstallReboots");
	const WCHAR *fails = what == Download ? L"DownloadHResult" : what == Install ? L"InstallHResult" : L"UninstallHResult";
	if (!done) return E_OUTOFMEMORY;
	called(what == Download ? L"download" : what == Install ? L"install" : L"uninstall");
	if (!worker->of || worker->of->n != 1) {
		IDispatch_Release(&done->iface);
		return WU_E_NO_UPDATE;
	}
	n = worker->of->list[0];
	if (what == Install) Sleep(number(ROOT, L"InstallMillis"));
	done->code = 2;
	done->hresult = (int)number(ROOT, fails);
	if (what == Uninstall && !number(update(n), L"Uninstallable")) done->hresult = WU_E_UNINSTALL_NOT_ALLOWED;
	if (done->hresult) done->code = 4;
	else if (what == Download) put(update(n), L"Downloaded", 1);
	else {
		put(update(n), L"Installed", what == Install);
		done->reboot = what == Uninstall || wants_reboot;
		put(ROOT, L"Reboot", done->reboot);
		if (what == Install && !wants_reboot) put(L"SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion", L"UBR", number(update(n), L"To"));
	}
	if (what != Download) {
		put(ROOT, L"LastUpdate", n);
		put(ROOT, L"LastHResult", done->hresult);
	}
	return give(out, done);
}

static HRESULT of_update(int n, DISPID id, VARIANT *out)
{
	switch (id) {
	case Title: return give_text(out, text(update(n), L"Title"));
	case Identity: return give_of(out, IDENTITY, n);
	case InstallationBehavior: return give_of(out, BEHAVIOUR, n);
	case IsInstalled: return give_truth(out, number(update(n), L"Installed"));
	case IsDownloaded: return give_truth(out, number(update(n), L"Downloaded"));
	case IsUninstallable: return give_truth(out, number(update(n), L"Uninstallable"));
	case EulaAccepted: return give_truth(out, 1);
	case LastChange: V_VT(out) = VT_DATE; V_DATE(out) = 45790; return S_OK; /* 2025-05-13 */
	case KBArticleIDs:
	case CveIDs: {
		object *o = make(STRINGS);
		if (!o) return E_OUTOFMEMORY;
		o->text = text(update(n), id == KBArticleIDs ? L"Article" : L"CVE");
		o->n = *o->text != 0;
		return give(out, o);
	}
	}
	return DISP_E_MEMBERNOTFOUND;
}

/* argument 0 is the first one; they come the other way round. */
static VARIANT *argument(DISPPARAMS *p, UINT i) { return i < p->cArgs ? &p->rgvarg[p->cArgs - 1 - i] : NULL; }

static HRESULT of_list(object *o, DISPID id, DISPPARAMS *p, VARIANT *out)
{
	VARIANT *v = argument(p, 0);
	int i = v && V_VT(v) == VT_I4 ? V_I4(v) : -1;
	if (id == Count) return give_number(out, o->n);
	if (id == Item && o->kind == HISTORY && i == 0) return give_of(out, ENTRY, o->update);
	if (id == Item && o->kind == STRINGS && i == 0) return give_text(out, SysAllocString(o->text));
	if (id == Item && o->kind == COLL && i >= 0 && i < o->n) return give_of(out, UPDATE, o->list[i]);
	if (id == Add && o->kind == COLL && v && V_VT(v) == VT_DISPATCH && o->n < MOST) {
		o->list[o->n++] = ((object *)V_DISPATCH(v))->update;
		return give_number(out, o->n - 1);
	}
	return DISP_E_MEMBERNOTFOUND;
}

static HRESULT of_worker(object *o, DISPID id, WORD how, DISPPARAMS *p, VARIANT *out)
{
	VARIANT *v = argument(p, 0);
	if (id == IsBusy) return give_truth(out, number(ROOT, L"Busy"));
	if (id == Updates && how & DISPATCH_PROPERTYPUT && v && V_VT(v) == VT_DISPATCH) {
		o->of = (object *)V_DISPATCH(v);
		IDispatch_AddRef(&o->of->iface);
		return S_OK;
	}
	if (o->kind == DOWNLOADER ? id == Download : id == Install || id == Uninstall) return work(o, id, out);
	return DISP_E_MEMBERNOTFOUND;
}

static HRESULT of_searcher(DISPID id, WORD how, DISPPARAMS *p, VARIANT *out)
{
	VARIANT *v = argument(p, 0);
	if (id == IncludeSuperseded && how & DISPATCH_PROPERTYPUT && v && V_VT(v) == VT_BOOL) return S_OK;
	if (id == Search && v && V_VT(v) == VT_BSTR) return search(V_BSTR(v), out);
	if (id == QueryHistory && p->cArgs == 2) {
		object *o = make(HISTORY);
		if (!o) return E_OUTOFMEMORY;
		o->update = (int)number(ROOT, L"LastUpdate");
		o->n = o->update != 0;
		return give(out, o);
	}
	return DISP_E_MEMBERNOTFOUND;
}

static HRESULT WINAPI invoke(IDispatch *self, DISPID id, REFIID iid, LCID l, WORD how, DISPPARAMS *p, VARIANT *result, EXCEPINFO *e, UINT *bad)
{
	object *o = (object *)self;
	VARIANT unwanted, *out = result ? result : &unwanted;
	VariantInit(out);
	switch (o->kind) {
	case SESSION:
		if (id == CreateUpdateSearcher) return give(out, make(SEARCHER));
		if (id == CreateUpdateDownloader) return give(out, make(DOWNLOADER));
		if (id == CreateUpdateInstaller) return give(out, make(INSTALLER));
		break;
	case SYSTEM: if (id == RebootRequired) return give_truth(out, number(ROOT, L"Reboot")); break;
	case SEARCHER: return of_searcher(id, how, p, out);
	case FOUND:
		if (id != Updates) break;
		IDispatch_AddRef(&o->of->iface);
		return give(out, o->of);
	case COLL:
	case STRINGS:
	case HISTORY: return of_list(o, id, p, out);
	case UPDATE: return of_update(o->update, id, out);
	case IDENTITY: if (id == UpdateID) return give_text(out, text(update(o->update), L"ID")); break;
	case BEHAVIOUR: if (id == RebootBehavior) return give_number(out, number(update(o->update), L"Reboots")); break;
	case DOWNLOADER:
	case INSTALLER: return of_worker(o, id, how, p, out);
	case DONE:
		if (id == ResultCode) return give_number(out, o->code);
		if (id == HResult_) return give_number(out, o->hresult);
		if (id == RebootRequired) return give_truth(out, o->reboot);
		if (id == GetUpdateResult) { IDispatch_AddRef(self); return give(out, o); }
		break;
	case ENTRY:
		if (id == Title) return give_text(out, text(update(o->update), L"Title"));
		if (id == HResult_) return give_number(out, (int)number(ROOT, L"LastHResult"));
		if (id == ResultCode) return give_number(out, number(ROOT, L"LastHResult") ? 4 : 2);
		break;
	}
	return DISP_E_MEMBERNOTFOUND;
}

static IDispatchVtbl table = { query, add_ref, release, count_types, type_info, ids, invoke };

/* The factories. */
typedef struct { IClassFactory iface; enum kind kind; } factory;

static HRESULT WINAPI f_query(IClassFactory *self, REFIID iid, void **out)
{
	if (!IsEqualGUID(iid, &IID_IUnknown) && !IsEqualGUID(iid, &IID_IClassFactory)) {
		*out = NULL;
		return E_NOINTERFACE;
	}
	*out = self;
	return S_OK;
}

static ULONG WINAPI f_refs(IClassFactory *self) { return 1; }
static HRESULT WINAPI f_lock(IClassFactory *self, BOOL lock) { return S_OK; }

static HRESULT WINAPI f_create(IClassFactory *self, IUnknown *outer, REFIID iid, void **out)
{
	object *o = make(((factory *)self)->kind);
	HRESULT hr;
	if (!o) return E_OUTOFMEMORY;
	hr = query(&o->iface, iid, out);
	release(&o->iface);
	return hr;
}

static IClassFactoryVtbl f_table = { f_query, f_refs, f_refs, f_create, f_lock };
static factory sessions = { { &f_table }, SESSION }, systems = { { &f_table }, SYSTEM }, colls = { { &f_table }, COLL };

__declspec(dllexport) HRESULT WINAPI DllGetClassObject(REFCLSID class, REFIID iid, void **out)
{
	if (IsEqualGUID(class, &CLSID_RigSession)) return f_query(&sessions.iface, iid, out);
	if (IsEqualGUID(class, &CLSID_RigSystem)) return f_query(&systems.iface, iid, out);
	if (IsEqualGUID(class, &CLSID_RigColl)) return f_query(&colls.iface, iid, out);
	*out = NULL;
	return CLASS_E_CLASSNOTAVAILABLE;
}

__declspec(dllexport) HRESULT WINAPI DllCanUnloadNow(void) { return S_FALSE; }
