/*
 * A stand-in for the two COM objects of a task sequence, for tests under Wine. Nothing of it is part of coldstate.
 *
 * Microsoft.SMS.TSEnvironment keeps its variables as `NAME=value` lines, and Microsoft.SMS.TsProgressUI writes each call
 * as a line, in files below the folder that the environment variable TASKSEQ_STANDIN names: `variables.txt` and
 * `progress.txt`, in UTF-8. So the state outlives a process, as that of the real task sequence does, and a test can read
 * it. The objects are built as the real ones are documented: IDispatch, `Value` the default member with a name as its
 * index, an unknown name gives an empty text; ShowActionProgress takes nine arguments.
 *
 * A file `broken.txt` there breaks the progress dialog: with `unknown` in it the object has no members, with anything else each
 * call fails. Each time that the object was asked for something is then a line of `refused.txt`.
 *
 * Differences: the real progress dialog runs in a process of its own; this one in the caller's.
 *
 *   x86_64-w64-mingw32-gcc -shared -o server.dll server.c server.def -lole32 -loleaut32 -luuid
 *   wine regsvr32 server.dll
 */

#define COBJMACROS
#include <windows.h>
#include <ole2.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

static const CLSID class_environment = {0x7c0f3a11, 0x5b7e, 0x4c52, {0x9a, 0x41, 0x35, 0xd0, 0xc0, 0x1d, 0x57, 0x01}};
/* The id that Microsoft documents. */
static const CLSID class_progress = {0xf79474a1, 0x7b80, 0x4a18, {0xbc, 0x7b, 0xd3, 0x93, 0x8b, 0xd9, 0x38, 0x08}};

enum kind { ENVIRONMENT, PROGRESS };

static HMODULE this_dll;

/* ---- files ---- */

static void path_of(const wchar_t *name, wchar_t *path)
{
    wchar_t folder[MAX_PATH] = L".";
    GetEnvironmentVariableW(L"TASKSEQ_STANDIN", folder, MAX_PATH);
    swprintf(path, MAX_PATH * 2, L"%ls\\%ls", folder, name);
}

static char *narrow(const wchar_t *text)
{
    int len = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *bytes = malloc(len);
    WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, len, NULL, NULL);
    return bytes;
}

static char *read_all(const wchar_t *name)
{
    wchar_t path[MAX_PATH * 2];
    path_of(name, path);
    FILE *file = _wfopen(path, L"rb");
    char *bytes = calloc(1, 1 << 20);
    if (file) {
        fread(bytes, 1, (1 << 20) - 1, file);
        fclose(file);
    }
    return bytes;
}

static void append(const wchar_t *name, const wchar_t *line)
{
    wchar_t path[MAX_PATH * 2];
    path_of(name, path);
    FILE *file = _wfopen(path, L"ab");
    if (file) {
        fprintf(file, "%ls\n", line);
        fclose(file);
    }
}

/* Whether the progress dialog is broken, which is noted: 'u' when it has no members, another letter when its calls fail. */
static char broken(const wchar_t *asked)
{
    char *how = read_all(L"broken.txt"), first = how[0];
    free(how);
    if (first)
        append(L"refused.txt", asked);
    return first;
}

/* The length of a line up to its end. */
static size_t line_len(const char *line)
{
    return strcspn(line, "\r\n");
}

static const char *next_line(const char *line)
{
    line += line_len(line);
    return line + strspn(line, "\r\n");
}

/* True when the line is `name=...`, whatever the case. */
static int is_line_of(const char *line, const char *name)
{
    size_t len = strlen(name);
    return line_len(line) > len && line[len] == '=' && _strnicmp(line, name, len) == 0;
}

static BSTR get_variable(const wchar_t *wide_name)
{
    char *name = narrow(wide_name), *all = read_all(L"variables.txt");
    BSTR value = NULL;
    for (const char *line = all; *line; line = next_line(line)) {
        if (is_line_of(line, name)) {
            const char *text = line + strlen(name) + 1;
            int bytes = (int)(line_len(line) - strlen(name) - 1);
            int units = MultiByteToWideChar(CP_UTF8, 0, text, bytes, NULL, 0);
            SysFreeString(value);
            value = SysAllocStringLen(NULL, units);
            MultiByteToWideChar(CP_UTF8, 0, text, bytes, value, units);
        }
    }
    free(all);
    free(name);
    return value ? value : SysAllocString(L"");
}

static void set_variable(const wchar_t *wide_name, const wchar_t *wide_value)
{
    char *name = narrow(wide_name), *value = narrow(wide_value), *all = read_all(L"variables.txt");
    wchar_t path[MAX_PATH * 2];
    path_of(L"variables.txt", path);
    FILE *file = _wfopen(path, L"wb");
    if (file) {
        for (const char *line = all; *line; line = next_line(line))
            if (!is_line_of(line, name))
                fprintf(file, "%.*s\n", (int)line_len(line), line);
        fprintf(file, "%s=%s\n", name, value);
        fclose(file);
    }
    free(all);
    free(value);
    free(name);
}

/* ---- the objects ---- */

struct object {
    const IDispatchVtbl *vtable;
    LONG references;
    enum kind kind;
};

static const struct { enum kind kind; const wchar_t *name; DISPID id; UINT arguments; } members[] = {
    {ENVIRONMENT, L"Value", DISPID_VALUE, 1},
    {PROGRESS, L"ShowActionProgress", 1, 9},
    {PROGRESS, L"CloseProgressDialog", 2, 0},
};

static HRESULT WINAPI query_interface(IDispatch *self, REFIID id, void **out)
{
    if (IsEqualIID(id, &IID_IUnknown) || IsEqualIID(id, &IID_IDispatch)) {
        *out = self;
        IDispatch_AddRef(self);
        return S_OK;
    }
    *out = NULL;
    return E_NOINTERFACE;
}

static ULONG WINAPI add_ref(IDispatch *self)
{
    return InterlockedIncrement(&((struct object *)self)->references);
}

static ULONG WINAPI release(IDispatch *self)
{
    LONG left = InterlockedDecrement(&((struct object *)self)->references);
    if (left == 0)
        free(self);
    return left;
}

static HRESULT WINAPI type_info_count(IDispatch *self, UINT *count)
{
    *count = 0;
    return S_OK;
}

static HRESULT WINAPI type_info(IDispatch *self, UINT which, LCID locale, ITypeInfo **info)
{
    *info = NULL;
    return DISP_E_BADINDEX;
}

static HRESULT WINAPI ids_of_names(IDispatch *self, REFIID id, LPOLESTR *names, UINT count, LCID locale, DISPID *ids)
{
    if (((struct object *)self)->kind == PROGRESS && broken(names[0]) == 'u') {
        ids[0] = DISPID_UNKNOWN;
        return DISP_E_UNKNOWNNAME;
    }
    for (size_t n = 0; n < sizeof members / sizeof *members; n++) {
        if (members[n].kind == ((struct object *)self)->kind && _wcsicmp(members[n].name, names[0]) == 0) {
            ids[0] = members[n].id;
            return count == 1 ? S_OK : DISP_E_UNKNOWNNAME;
        }
    }
    ids[0] = DISPID_UNKNOWN;
    return DISP_E_UNKNOWNNAME;
}

/* An argument as text, to be freed; the last one comes first in the array. */
static BSTR argument(DISPPARAMS *parameters, UINT number)
{
    VARIANT text;
    VariantInit(&text);
    if (number >= parameters->cArgs ||
        FAILED(VariantChangeType(&text, &parameters->rgvarg[parameters->cArgs - 1 - number], 0, VT_BSTR)))
        return SysAllocString(L"");
    return V_BSTR(&text);
}

static HRESULT invoke_environment(WORD flags, DISPPARAMS *parameters, VARIANT *result)
{
    BSTR name = argument(parameters, 0);
    if (flags & DISPATCH_PROPERTYPUT) {
        BSTR value = argument(parameters, 1);
        int is_put = parameters->cArgs == 2 && parameters->cNamedArgs == 1 &&
                     parameters->rgdispidNamedArgs[0] == DISPID_PROPERTYPUT;
        /* What begins with an underscore is the task sequence's own. */
        HRESULT answer = !is_put ? DISP_E_BADPARAMCOUNT : name[0] == L'_' ? E_ACCESSDENIED : S_OK;
        if (answer == S_OK)
            set_variable(name, value);
        SysFreeString(value);
        SysFreeString(name);
        return answer;
    }
    if (parameters->cArgs != 1) {
        SysFreeString(name);
        return DISP_E_BADPARAMCOUNT;
    }
    if (result) {
        V_VT(result) = VT_BSTR;
        V_BSTR(result) = get_variable(name);
    }
    SysFreeString(name);
    return S_OK;
}

static HRESULT invoke_progress(DISPID id, DISPPARAMS *parameters)
{
    wchar_t path[MAX_PATH * 2];
    if (broken(L"a call"))
        return E_FAIL;
    for (size_t n = 0; n < sizeof members / sizeof *members; n++) {
        if (members[n].kind != PROGRESS || members[n].id != id)
            continue;
        if (parameters->cArgs != members[n].arguments)
            return DISP_E_BADPARAMCOUNT;
        path_of(L"progress.txt", path);
        FILE *file = _wfopen(path, L"ab");
        if (!file)
            return E_FAIL;
        fprintf(file, "%ls", members[n].name);
        for (UINT at = 0; at < parameters->cArgs; at++) {
            BSTR text = argument(parameters, at);
            char *bytes = narrow(text);
            fprintf(file, "|%s", bytes);
            free(bytes);
            SysFreeString(text);
        }
        fprintf(file, "\n");
        fclose(file);
        return S_OK;
    }
    return DISP_E_MEMBERNOTFOUND;
}

static HRESULT WINAPI invoke(IDispatch *self, DISPID id, REFIID interface_id, LCID locale, WORD flags,
                             DISPPARAMS *parameters, VARIANT *result, EXCEPINFO *exception, UINT *wrong)
{
    if (((struct object *)self)->kind == PROGRESS)
        return invoke_progress(id, parameters);
    return id == DISPID_VALUE ? invoke_environment(flags, parameters, result) : DISP_E_MEMBERNOTFOUND;
}

static const IDispatchVtbl dispatch = {
    query_interface, add_ref, release, type_info_count, type_info, ids_of_names, invoke,
};

/* ---- class factories ---- */

struct factory {
    const IClassFactoryVtbl *vtable;
    enum kind kind;
};

static HRESULT WINAPI factory_query(IClassFactory *self, REFIID id, void **out)
{
    int known = IsEqualIID(id, &IID_IUnknown) || IsEqualIID(id, &IID_IClassFactory);
    *out = known ? self : NULL;
    return known ? S_OK : E_NOINTERFACE;
}

static ULONG WINAPI factory_reference(IClassFactory *self)
{
    return 2;
}

static HRESULT WINAPI factory_create(IClassFactory *self, IUnknown *outer, REFIID id, void **out)
{
    *out = NULL;
    if (outer)
        return CLASS_E_NOAGGREGATION;
    struct object *object = calloc(1, sizeof *object);
    object->vtable = &dispatch;
    object->references = 1;
    object->kind = ((struct factory *)self)->kind;
    HRESULT answer = query_interface((IDispatch *)object, id, out);
    release((IDispatch *)object);
    return answer;
}

static HRESULT WINAPI factory_lock(IClassFactory *self, BOOL lock)
{
    return S_OK;
}

static const IClassFactoryVtbl factory_vtable = {
    factory_query, factory_reference, factory_reference, factory_create, factory_lock,
};
static struct factory factories[] = {{&factory_vtable, ENVIRONMENT}, {&factory_vtable, PROGRESS}};

STDAPI DllGetClassObject(REFCLSID class_id, REFIID id, void **out)
{
    *out = NULL;
    if (IsEqualCLSID(class_id, &class_environment))
        return factory_query((IClassFactory *)&factories[0], id, out);
    if (IsEqualCLSID(class_id, &class_progress))
        return factory_query((IClassFactory *)&factories[1], id, out);
    return CLASS_E_CLASSNOTAVAILABLE;
}

STDAPI DllCanUnloadNow(void)
{
    return S_FALSE;
}

/* ---- registration ---- */

static void set_key(const wchar_t *path, const wchar_t *name, const wchar_t *value)
{
    RegSetKeyValueW(HKEY_CLASSES_ROOT, path, name, REG_SZ, value, (DWORD)(wcslen(value) + 1) * sizeof *value);
}

static void register_class(const wchar_t *prog_id, const CLSID *class_id)
{
    wchar_t id[64], path[200], dll[MAX_PATH];
    StringFromGUID2(class_id, id, 64);
    GetModuleFileNameW(this_dll, dll, MAX_PATH);
    swprintf(path, 200, L"%ls\\CLSID", prog_id);
    set_key(path, NULL, id);
    swprintf(path, 200, L"CLSID\\%ls\\InprocServer32", id);
    set_key(path, NULL, dll);
    set_key(path, L"ThreadingModel", L"Apartment");
    swprintf(path, 200, L"CLSID\\%ls\\ProgID", id);
    set_key(path, NULL, prog_id);
}

STDAPI DllRegisterServer(void)
{
    register_class(L"Microsoft.SMS.TSEnvironment", &class_environment);
    register_class(L"Microsoft.SMS.TsProgressUI", &class_progress);
    return S_OK;
}

STDAPI DllUnregisterServer(void)
{
    RegDeleteTreeW(HKEY_CLASSES_ROOT, L"Microsoft.SMS.TSEnvironment");
    RegDeleteTreeW(HKEY_CLASSES_ROOT, L"Microsoft.SMS.TsProgressUI");
    return S_OK;
}

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved)
{
    if (reason == DLL_PROCESS_ATTACH)
        this_dll = instance;
    return TRUE;
}
