"""What the viewer is told: where the DICOMweb root is, what it can do, and the session's token.

Source: docs.ohif.org, Configuration; `@ohif/extension-default`, DicomWebDataSource.
"""

from typing import Any

import orjson

# Same origin as the viewer, whatever name it was opened by.
_ROOT = "/dicomweb"
_SOURCE = "dicomweb"

_DATA_SOURCE: dict[str, Any] = {
    "friendlyName": "Imaging Ingestion",
    "name": _SOURCE,
    "qidoSupportsIncludeField": True,
    "supportsFuzzyMatching": True,
    "supportsWildcard": True,
    "supportsReject": False,
    "dicomUploadEnabled": False,
    "imageRendering": "wadors",
    # One small image per series, made by us, rather than a frame in full.
    "thumbnailRendering": "thumbnail",
    "thumbnailRequestStrategy": "fetch",
    "enableStudyLazyLoad": True,
    "omitQuotationForMultipartRequest": True,
    # Not films and documents too: an element of the page would ask for them without the token.
    "singlepart": "bulkdata",
    "bulkDataURI": {"enabled": True},
}
_CONFIGURATION: dict[str, Any] = {
    "name": "Imaging Ingestion",
    "routerBasename": None,
    "showStudyList": True,
    "modes": [],
    "customizationService": {},
    "maxNumberOfWebWorkers": 3,
    "showWarningMessageForCrossOrigin": True,
    "showCPUFallbackMessage": True,
    "showLoadingIndicator": True,
    "strictZSpacingForVolumeViewport": True,
    "groupEnabledModesFirst": True,
    # Threads of the web are shared with those who store.
    "maxNumRequests": {"interaction": 10, "thumbnail": 5, "prefetch": 10},
    "showErrorDetails": "dev",
    "defaultDataSourceName": _SOURCE,
}
# The token is good for hours, and a page may stay open for longer: then it is loaded again.
# Not soon after it was loaded, or a token that is refused would have it loaded for ever.
_SCRIPT = """\
window.config = () => {
  const {configuration, dataSource, path, token} = %s;
  const root = window.location.origin + path;
  const session = {
    id: 'imaging-ingestion.session',
    preRegistration: ({servicesManager}) =>
      servicesManager.services.userAuthenticationService.setServiceImplementation({
        getAuthorizationHeader: () => ({Authorization: `Bearer ${token}`}),
      }),
  };
  const source = {
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
    sourceName: dataSource.name,
    configuration: {...dataSource, qidoRoot: root, wadoRoot: root, wadoUriRoot: root},
  };
  return {
    ...configuration,
    extensions: [session],
    dataSources: [source],
    httpErrorHandler: ({status}) => {
      if (status === 401 && window.performance.now() > 60000) window.location.reload();
    },
  };
};
"""


def configuration_script(token: str) -> str:
    """`app-config.js`: a script that gives the viewer its configuration. It holds the token."""
    told = {
        "configuration": _CONFIGURATION,
        "dataSource": _DATA_SOURCE,
        "path": _ROOT,
        "token": token,
    }
    return _SCRIPT % orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()
