/*
 * For tests only: the bcryptprimitives.dll that Wine 8.0 lacks and that Go's runtime wants
 * of every Windows since 2008. It is never part of what is shipped.
 */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length); /* RtlGenRandom */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size)
{
	return SystemFunction036(data, (ULONG)size);
}
