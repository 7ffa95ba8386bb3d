// Calls every method of npm's dicomweb-client from a page of another origin, and gives what each
// came to: JSON as it is, bytes as lists of their lengths and first bytes, a failure as its status.
async ({root, token, files, at}) => {
  const {DICOMwebClient} = window.DICOMwebClient.api;
  const headers = {Authorization: `Bearer ${token}`};
  const client = new DICOMwebClient({url: root, headers, verbose: false});
  const singlepart = new DICOMwebClient({url: root, headers, verbose: false, singlepart: true});
  const uriService = new DICOMwebClient({url: root, wadoURLPrefix: 'wado', headers});

  const study = {studyInstanceUID: at.study};
  const series = {...study, seriesInstanceUID: at.series};
  const instance = {...series, sopInstanceUID: at.instance};
  const frames = {...instance, frameNumbers: [1]};
  const jpeg = {mediaTypes: [{mediaType: 'image/jpeg'}]};
  const png = {mediaTypes: [{mediaType: 'image/png'}]};
  const explicit = [{mediaType: 'application/octet-stream', transferSyntaxUID: '1.2.840.10008.1.2.1'}];
  const viewport = {queryParams: {viewport: '64,64'}};
  const bytes = text => Uint8Array.from(atob(text), char => char.charCodeAt(0)).buffer;

  const bulkDataURI = async () => {
    const [metadata] = await client.retrieveInstanceMetadata(instance);
    return {BulkDataURI: metadata['7FE00010'].BulkDataURI};
  };
  const calls = {
    storeInstances: () => client.storeInstances({datasets: files.map(bytes)}),
    storeInstancesOfStudy: () => client.storeInstances({datasets: files.map(bytes), ...study}),
    searchForStudies: () => client.searchForStudies({queryParams: {StudyInstanceUID: at.study}}),
    searchForStudiesByName: () => client.searchForStudies({
      queryParams: {PatientName: 'npm*', fuzzymatching: true, limit: 5, offset: 0, includefield: '00081030,00080060'},
    }),
    searchForSeries: () => client.searchForSeries(study),
    searchForAllSeries: () => client.searchForSeries({queryParams: {SeriesInstanceUID: at.series}}),
    searchForInstances: () => client.searchForInstances(series),
    searchForInstancesOfStudy: () => client.searchForInstances(study),
    searchForAllInstances: () => client.searchForInstances({queryParams: {SOPInstanceUID: at.instance}}),
    retrieveStudyMetadata: () => client.retrieveStudyMetadata(study),
    retrieveSeriesMetadata: () => client.retrieveSeriesMetadata(series),
    retrieveInstanceMetadata: () => client.retrieveInstanceMetadata(instance),
    retrieveStudy: () => client.retrieveStudy(study),
    retrieveSeries: () => client.retrieveSeries(series),
    retrieveInstance: () => client.retrieveInstance(instance),
    retrieveInstanceFrames: () => client.retrieveInstanceFrames(frames),
    retrieveInstanceFramesExplicit: () => client.retrieveInstanceFrames({...frames, mediaTypes: explicit}),
    retrieveInstanceRendered: () => client.retrieveInstanceRendered(instance),
    retrieveInstanceRenderedJpeg: () => client.retrieveInstanceRendered({...instance, ...jpeg, ...viewport}),
    retrieveInstanceRenderedPng: () => client.retrieveInstanceRendered({...instance, ...png}),
    retrieveInstanceThumbnail: () => client.retrieveInstanceThumbnail(instance),
    retrieveInstanceThumbnailJpeg: () => client.retrieveInstanceThumbnail({...instance, ...jpeg}),
    retrieveInstanceFramesRendered: () => client.retrieveInstanceFramesRendered({...frames, ...jpeg}),
    retrieveInstanceFramesThumbnail: () => client.retrieveInstanceFramesThumbnail({...frames, ...jpeg}),
    retrieveBulkData: async () => client.retrieveBulkData(await bulkDataURI()),
    retrieveBulkDataSinglepart: async () => singlepart.retrieveBulkData(await bulkDataURI()),
    missingStudy: () => client.retrieveStudyMetadata({studyInstanceUID: '1.2.3.4'}),
    wrongToken: () => new DICOMwebClient({
      url: root, headers: {Authorization: 'Bearer wrong'}, verbose: false,
    }).searchForStudies(),
    wadoURI: async () => {
      const answer = await fetch(uriService.buildInstanceWadoURIUrl(instance), {headers});
      if (!answer.ok) throw Object.assign(new Error('failed'), {status: answer.status});
      return answer.arrayBuffer();
    },
  };

  const told = value => {
    if (value instanceof ArrayBuffer) {
      return {length: value.byteLength, bytes: Array.from(new Uint8Array(value.slice(0, 256)))};
    }
    return Array.isArray(value) ? value.map(told) : value;
  };
  const results = {};
  for (const [name, call] of Object.entries(calls)) {
    try {
      results[name] = {value: told(await call())};
    } catch (error) {
      results[name] = {status: error.status ?? null, error: String(error)};
    }
  }
  return results;
}
